// cpp_wav model.pte speech.wav [--fps 30|30000/1001|29.97] [--ensemble on|off] [--chunk-ms MS]
//
// Prints READY once the model is loaded, then a header and one JSON object a frame: the lines of sdk/protocols/jsonl.py.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "frame_stream.hpp"
#include "wav.h"

namespace {

struct Options {
  std::string model, wav;
  fp_stream_config config{};
  unsigned chunk_ms = 20;
};

[[noreturn]] void usage() {
  std::fprintf(stderr, "usage: cpp_wav model.pte speech.wav [--fps 30|30000/1001|29.97] [--ensemble on|off] [--chunk-ms MS]\n");
  std::exit(2);
}

// By hand, as in the profiler and sdk/c/tools/voices: each takes other options, and a library would outweigh the example.
Options read_options(int count, char** words) {
  if (count < 3) usage();
  Options options;
  options.model = words[1], options.wav = words[2];
  options.config.struct_size = sizeof options.config;
  for (int i = 3; i < count; i += 2) {
    if (i + 1 == count) usage();
    const std::string name = words[i], value = words[i + 1];
    if (name == "--fps") {
      if (!frame_stream::read_rate(value, &options.config)) usage();
    } else if (name == "--ensemble" && (value == "on" || value == "off")) {
      options.config.ensemble = value == "on" ? FP_ENSEMBLE_ON : FP_ENSEMBLE_OFF;
    } else if (name == "--chunk-ms" && value.find_first_not_of("0123456789") == std::string::npos && value.size() < 9 &&
               std::atoi(value.c_str()) > 0) {
      options.chunk_ms = static_cast<unsigned>(std::atoi(value.c_str()));
    } else {
      usage();
    }
  }
  return options;
}

// `text` as a JSON string. The profiler has its own: an example is a folder that one copies out alone.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    char escaped[8];
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20) std::snprintf(escaped, sizeof escaped, "\\u%04x", c), out += escaped;
    else out += c;
  }
  return out + "\"";
}

void print_header(const frame_stream::Model& model, const std::vector<std::string>& names, unsigned n, unsigned m) {
  std::printf("{\"format\": \"tinyface.frames\", \"version\": 1, \"fps\": [%u, %u], \"sample_rate_hz\": 16000, "
              "\"channels\": {", n, m);
  for (std::size_t i = 0; i < names.size(); ++i) {
    float low = 0, high = 0;
    fp_model_channel_range(model.handle(), static_cast<std::uint32_t>(i), &low, &high, nullptr, nullptr);
    std::printf("%s%s: [%.9g, %.9g]", i ? ", " : "", quoted(names[i]).c_str(), double(low), double(high));
  }
  std::puts("}}");
}

void play(const Options& options) {
  const Wav wav = read_wav(options.wav);
  const frame_stream::Model model(options.model);
  const fp_model_info info = model.info();
  fp_stream_config config = options.config;
  config.sample_rate_hz = wav.rate_hz;
  config.audio_channels = wav.channels;
  if (!config.fps_numerator) config.fps_numerator = info.fps_numerator, config.fps_denominator = info.fps_denominator;
  frame_stream::Stream stream(model, config);
  std::puts("READY");
  const std::vector<std::string> names = model.channel_names();
  print_header(model, names, config.fps_numerator, config.fps_denominator);
  std::fflush(stdout);

  const auto print = [&](const frame_stream::Frame& frame) {
    std::printf("{\"index\": %" PRId64 ", \"sample\": %" PRId64 ", \"time_s\": %.6f, \"values\": {", frame.index,
                frame.sample, double(frame.sample) / 16000);
    for (std::size_t i = 0; i < names.size(); ++i)
      std::printf("%s%s: %.9g", i ? ", " : "", quoted(names[i]).c_str(), double(frame.values[i]));
    std::puts("}}");
    std::fflush(stdout);
  };
  const std::size_t chunk = std::size_t{wav.rate_hz} * options.chunk_ms / 1000 + 1;
  for (std::size_t at = 0; at < wav.samples(); at += chunk) {
    const std::size_t count = std::min(chunk, wav.samples() - at);
    if (wav.pcm.empty()) stream.push(wav.floats.data() + at * wav.channels, count, print);
    else stream.push(wav.pcm.data() + at * wav.channels, count, print);
  }
  stream.finish(print);
}

}  // namespace

int main(int count, char** words) {
  try {
    play(read_options(count, words));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cpp_wav: %s\n", error.what());
    return 1;
  }
}
