// voices [--voices 1,8,64,256] [--seconds 10] [--rate 16000] [--fps 30] [--interleave] model.pte ...: what N voices
// cost on one core. --interleave: the artefacts take turns too, instead of one after the other.
//
// Every 20 ms of audio: push to all voices, run what is due, pull all frames. Both ways, `crowd` (one fp_crowd_run for
// all) and `one by one` (pull alone), take turns of half a second, so that neighbours disturb them alike. Audio comes
// as fast as it is eaten. One thread; prints a JSON array, a line for each artefact, N and way:
//
//   cpu_us_per_voice_tick   thread time for 20 ms of one voice, all included; voices_per_core is 20 ms divided by it
//   tick_ms, tick_cpu_ms    wall and thread time of one tick of all voices: p50, p99, max; late: ticks above 20 ms
//   voice_bytes             heap of one voice, the model apart (0 where this C library does not tell)
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "frame_stream.hpp"

namespace {

constexpr double kTickSeconds = 0.02;
constexpr int kTurnTicks = 25, kWarmTicks = 2;  // the first of a turn fill the caches again and do not count

struct Options {
  std::vector<std::string> models;
  std::vector<std::size_t> voices{1, 8, 64, 256};
  double seconds = 10;
  std::uint32_t rate_hz = 16000;
  fp_stream_config rate{};  // of which the frame rate alone is read
  bool interleave = false;
};

[[noreturn]] void usage() {
  std::fprintf(stderr, "usage: voices [--voices 1,8,64,256] [--seconds 10] [--rate 16000] [--fps 30] [--interleave] "
                       "model.pte ...\n");
  std::exit(2);
}

std::uint32_t whole(const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end || value < 1 || value > 1000000) usage();
  return static_cast<std::uint32_t>(value);
}

Options read_options(int count, char** words) {
  Options options;
  frame_stream::read_rate("30", &options.rate);
  for (int i = 1; i < count; ++i) {
    const std::string name = words[i];
    if (name.rfind("--", 0) != 0) {
      options.models.push_back(name);
      continue;
    }
    if (name == "--interleave") {
      options.interleave = true;
      continue;
    }
    if (++i == count) usage();
    if (name == "--seconds") options.seconds = std::atof(words[i]);
    else if (name == "--rate") options.rate_hz = whole(words[i]);
    else if (name == "--fps") {
      if (!frame_stream::read_rate(words[i], &options.rate)) usage();
    }
    else if (name == "--voices") {
      options.voices.clear();
      for (char* word = std::strtok(words[i], ","); word; word = std::strtok(nullptr, ","))
        options.voices.push_back(whole(word));
    } else usage();
  }
  if (options.models.empty() || options.voices.empty() || !(options.seconds > 0)) usage();
  return options;
}

double cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) * 1e6 + double(now.tv_nsec) / 1e3;
}

double heap_bytes() {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  const auto heap = ::mallinfo2();
  return double(heap.uordblks) + double(heap.hblkhd);
#else
  return 0;
#endif
}

// A buzz that glides and pulses, each voice at a pitch of its own.
std::vector<std::vector<float>> speakers(std::size_t count, std::uint32_t rate_hz) {
  std::vector<std::vector<float>> out(count, std::vector<float>(2 * rate_hz));
  for (std::size_t v = 0; v < count; ++v) {
    std::uint32_t noise = static_cast<std::uint32_t>(v) * 2654435761u + 1;
    for (std::size_t i = 0; i < out[v].size(); ++i) {
      const double t = double(i) / rate_hz, phase = t * (90 + 7 * double(v)) + 2 * std::sin(3 * t);
      noise = noise * 1664525u + 1013904223u;
      const double buzz = phase - std::floor(phase) - 0.5, pulse = 0.5 + 0.5 * std::sin(23 * t + double(v));
      out[v][i] = static_cast<float>(pulse * (0.4 * buzz + 0.1 * (double(noise >> 8) / (1 << 24) - 0.5)));
    }
  }
  return out;
}

// Some times as a JSON object.
std::string spread(std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  const auto at = [&ms](double share) { return ms[std::size_t(share * double(ms.size() - 1))]; };
  const auto late = std::count_if(ms.begin(), ms.end(), [](double one) { return one > kTickSeconds * 1e3; });
  char text[160];
  std::snprintf(text, sizeof text, "{\"p50\": %.4f, \"p99\": %.4f, \"max\": %.4f, \"late\": %td}", at(0.5), at(0.99),
                at(1), late);
  return text;
}

// N voices driven in one way.
class Side {
 public:
  Side(const frame_stream::Model& model, const Options& options, std::size_t count, bool together) {
    const double before = heap_bytes();
    fp_stream_config config{};
    config.struct_size = sizeof config;
    config.sample_rate_hz = options.rate_hz;
    config.fps_numerator = options.rate.fps_numerator, config.fps_denominator = options.rate.fps_denominator;
    for (std::size_t i = 0; i < count; ++i) {
      streams_.emplace_back(model, config);
      handles_.push_back(streams_.back().handle());
    }
    voice_bytes_ = (heap_bytes() - before) / double(count);
    if (together) crowd_ = std::make_unique<frame_stream::Crowd>(model);
  }

  void turn(const std::vector<std::vector<float>>& audio, std::size_t tick_samples) {
    for (int tick = 0; tick < kTurnTicks; ++tick) {
      const double cpu = cpu_us();
      const auto wall = std::chrono::steady_clock::now();
      for (std::size_t i = 0; i < streams_.size(); ++i) streams_[i].feed(audio[i].data() + at_, tick_samples);
      if (crowd_) crowd_->run(handles_.data(), handles_.size());
      for (frame_stream::Stream& stream : streams_)
        stream.drain([this](const frame_stream::Frame& frame) { frames_ += 1, sum_ += frame.values[0]; });
      if (tick >= kWarmTicks) {
        ticks_cpu_ms_.push_back((cpu_us() - cpu) / 1e3);
        ticks_ms_.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - wall).count());
      }
      at_ = (at_ + tick_samples) % (audio[0].size() - tick_samples);
    }
  }

  void print(const char* sep, const std::string& model, const fp_model_info& info) {
    const double each = 1e3 * std::accumulate(ticks_cpu_ms_.begin(), ticks_cpu_ms_.end(), 0.0) /
                        double(ticks_cpu_ms_.size() * streams_.size());
    std::string name = model;
    for (char& c : name)
      if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) c = '_';
    std::printf("%s{\"artifact\": \"%s\", \"student\": \"%s\", \"precision\": \"%s\", \"kind\": \"%s\", "
                "\"voices\": %zu, \"way\": \"%s\", \"cpu_us_per_voice_tick\": %.3f, \"voices_per_core\": %.1f, "
                "\"tick_ms\": %s, \"tick_cpu_ms\": %s, \"ticks\": %zu, \"frames\": %zu, "
                "\"state_bytes\": %u, \"voice_bytes\": %.0f, \"check\": %.6g}",
                sep, name.c_str(), info.student, info.precision, info.kind == FP_KIND_STREAM ? "stream" : "window",
                streams_.size(), crowd_ ? "crowd" : "one by one", each, kTickSeconds * 1e6 / each,
                spread(ticks_ms_).c_str(), spread(ticks_cpu_ms_).c_str(), ticks_ms_.size(), frames_, info.state_bytes,
                voice_bytes_, sum_ / double(frames_));
    std::fflush(stdout);
  }

 private:
  std::vector<frame_stream::Stream> streams_;
  std::vector<fp_stream*> handles_;
  std::unique_ptr<frame_stream::Crowd> crowd_;
  std::vector<double> ticks_ms_, ticks_cpu_ms_;
  double voice_bytes_ = 0, sum_ = 0;
  std::size_t at_ = 0, frames_ = 0;
};

// The artefacts `paths`, all ways of which take turns.
void measure(const Options& options, const std::vector<std::string>& paths, const char*& sep) {
  const auto tick_samples = static_cast<std::size_t>(std::lround(options.rate_hz * kTickSeconds));
  const auto turns = static_cast<int>(std::ceil(options.seconds / kTickSeconds / (kTurnTicks - kWarmTicks)));
  std::vector<frame_stream::Model> models;
  for (const std::string& path : paths) models.emplace_back(path);
  for (const std::size_t count : options.voices) {
    const auto audio = speakers(count, options.rate_hz);
    std::vector<std::pair<std::size_t, std::unique_ptr<Side>>> sides;  // of which artefact
    for (std::size_t i = 0; i < models.size(); ++i) {
      sides.emplace_back(i, std::make_unique<Side>(models[i], options, count, false));
      if (models[i].info().kind == FP_KIND_STREAM)
        sides.emplace_back(i, std::make_unique<Side>(models[i], options, count, true));
    }
    for (int i = 0; i < turns; ++i)
      for (auto& [artefact, side] : sides) side->turn(audio, tick_samples);
    for (auto& [artefact, side] : sides) side->print(sep, paths[artefact], models[artefact].info()), sep = ",\n ";
  }
}

void measure(const Options& options) {
  const char* sep = "[";
  if (options.interleave) measure(options, options.models, sep);
  else
    for (const std::string& path : options.models) measure(options, {path}, sep);
  std::puts("]");
}

}  // namespace

int main(int count, char** words) {
  try {
    measure(read_options(count, words));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "voices: %s\n", error.what());
    return 1;
  }
}
