// A wav file as it is: 16- or 24-bit PCM or 32-bit float, any rate, 1 to 8 channels interleaved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct Wav {
  std::uint32_t rate_hz = 0, channels = 0;
  std::vector<std::int16_t> pcm;    // one of these two is filled
  std::vector<float> floats;

  std::size_t samples() const { return (pcm.size() + floats.size()) / channels; }
};

// Throws std::runtime_error saying what is wrong with the file.
Wav read_wav(const std::string& path);
