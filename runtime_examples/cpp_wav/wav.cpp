// By hand and not dr_wav: eighty lines against a header of nine thousand, in an example that is there to be read.
#include "wav.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace {

std::uint32_t number(const std::string& bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  return value;
}

struct Format {
  std::uint32_t code = 0, channels = 0, rate_hz = 0, bits = 0;
};

Format read_format(const std::string& bytes, std::size_t at, std::size_t size) {
  if (size < 16) throw std::runtime_error("its fmt chunk is too short");
  Format format{number(bytes, at, 2), number(bytes, at + 2, 2), number(bytes, at + 4, 4), number(bytes, at + 14, 2)};
  if (format.code == 0xfffe && size >= 26) format.code = number(bytes, at + 24, 2);  // extensible: the real one is inside
  return format;
}

Wav read_samples(const std::string& bytes, std::size_t at, std::size_t size, const Format& format) {
  Wav wav;
  wav.rate_hz = format.rate_hz;
  wav.channels = format.channels;
  if (format.channels < 1 || format.channels > 8) throw std::runtime_error("it has no channels, or more than 8");
  const bool pcm = format.code == 1 && format.bits == 16, floats = format.code == 3 && format.bits == 32;
  const bool wide = format.code == 1 && format.bits == 24;
  if (!pcm && !wide && !floats) throw std::runtime_error("it is neither 16- or 24-bit PCM nor 32-bit float; convert it");
  const std::size_t count = size / (format.bits / 8 * format.channels) * format.channels;  // whole samples only
  if (pcm) {
    wav.pcm.resize(count);
    for (std::size_t i = 0; i < count; ++i) wav.pcm[i] = static_cast<std::int16_t>(number(bytes, at + 2 * i, 2));
  } else if (wide) {
    wav.floats.resize(count);
    for (std::size_t i = 0; i < count; ++i)  // to the top of 32 bits, whose sign is then theirs
      wav.floats[i] = static_cast<float>(static_cast<std::int32_t>(number(bytes, at + 3 * i, 3) << 8)) / 2147483648.0f;
  } else {
    wav.floats.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t raw = number(bytes, at + 4 * i, 4);
      std::memcpy(&wav.floats[i], &raw, sizeof raw);
    }
  }
  return wav;
}

Wav parse(const std::string& bytes) {
  if (bytes.size() < 12 || bytes.compare(0, 4, "RIFF") != 0 || bytes.compare(8, 4, "WAVE") != 0)
    throw std::runtime_error("it is no RIFF WAVE file");
  Format format;
  for (std::size_t at = 12; at + 8 <= bytes.size();) {
    const std::string name = bytes.substr(at, 4);
    const std::size_t said = number(bytes, at + 4, 4), left = bytes.size() - at - 8;
    const std::size_t size = said < left ? said : left;  // a recorder that was cut off leaves a size of 0xffffffff
    if (name == "fmt ") format = read_format(bytes, at + 8, size);
    if (name == "data") {
      Wav wav = read_samples(bytes, at + 8, size, format);
      if (!wav.samples()) throw std::runtime_error("it holds no samples: nothing was recorded, or it was cut off");
      return wav;
    }
    at += 8 + size + size % 2;
  }
  throw std::runtime_error("it has no data chunk");
}

}  // namespace

Wav read_wav(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot read");
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  try {
    return parse(bytes);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(path + ": " + error.what());
  }
}
