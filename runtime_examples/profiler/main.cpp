// profiler model.pte [--wav speech.wav] [--out result.json] [--machine NAME] [--seconds 60] [--rounds 10] [--frames 60]
//          [--voices 1] [--chunk-ms 10] [--deadline-ms MS] [--fps RATE] [--ensemble on|off] [--core N] [--cold on|off]
//          [--note TEXT]
//
// What an artefact takes on the machine that this runs on: flat out with warm and with cold caches, and at the pace of
// speech. Needs nothing but frame_stream. Writes one JSON file, which `python -m profiles --native` reads, and a summary
// to stderr. Exit status: 0 done, 1 the artefact or the machine refused, 2 a mistake on the command line.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "frame_stream.hpp"
#include "play.h"
#include "result.h"
#include "wav.h"

namespace {

struct Options {
  std::string model, wav, out = "profile.json", machine = "device", note;
  fp_stream_config config{};
  double seconds = 60, deadline_ms = 0;
  unsigned rounds = 10, frames = 60, voices = 1, chunk_ms = 10;
  int core = -1;
  bool cold = true;
};

[[noreturn]] void usage(const std::string& wrong) {
  std::fprintf(stderr,
               "profiler: %s\nusage: profiler model.pte [--wav FILE] [--out FILE] [--machine NAME] [--seconds S] [--rounds N] "
               "[--frames N]\n       [--voices N] [--chunk-ms MS] [--deadline-ms MS] [--fps RATE] [--ensemble on|off] [--core N] "
               "[--cold on|off] [--note TEXT]\n",
               wrong.c_str());
  std::exit(2);
}

double positive(const std::string& name, const std::string& text, double least) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end || !(value >= least && value <= 1e9))  // more fits into no unsigned
    usage(name + " " + text + " is not a number from " + std::to_string(least) + " to a billion");
  return value;
}

unsigned whole(const std::string& name, const std::string& text, double least = 1) {
  const double value = positive(name, text, least);
  if (value != std::floor(value)) usage(name + " " + text + " is not a whole number");
  return static_cast<unsigned>(value);
}

Options read_options(int count, char** words) {
  if (count < 2) usage("no artefact given");
  Options options;
  options.model = words[1];
  for (int i = 2; i < count; i += 2) {
    const std::string name = words[i];
    if (i + 1 == count) usage(name + " needs a value");
    const std::string value = words[i + 1];
    if (name == "--wav") options.wav = value;
    else if (name == "--out") options.out = value;
    else if (name == "--machine") options.machine = value;
    else if (name == "--note") options.note = value;
    else if (name == "--seconds") options.seconds = positive(name, value, 0);
    else if (name == "--deadline-ms") options.deadline_ms = positive(name, value, 0.001);
    else if (name == "--rounds") options.rounds = whole(name, value);
    else if (name == "--frames") options.frames = whole(name, value);
    else if (name == "--voices") options.voices = whole(name, value);
    else if (name == "--chunk-ms") options.chunk_ms = whole(name, value);
    else if (name == "--core") options.core = static_cast<int>(whole(name, value, 0));
    else if (name == "--ensemble" && (value == "on" || value == "off"))
      options.config.ensemble = value == "on" ? FP_ENSEMBLE_ON : FP_ENSEMBLE_OFF;
    else if (name == "--cold" && (value == "on" || value == "off")) options.cold = value == "on";
    else if (name == "--fps") {
      if (!frame_stream::read_rate(value, &options.config))
        usage("--fps " + value + " is no frame rate");
    } else usage("unknown option " + name + " " + value);
  }
  return options;
}

Audio read_audio(const std::string& path) {
  const Wav wav = read_wav(path);
  Audio audio;
  audio.rate_hz = wav.rate_hz;
  audio.samples.resize(wav.samples());
  for (std::size_t i = 0; i < audio.samples.size(); ++i) {
    float sum = 0;
    for (std::size_t c = 0; c < wav.channels; ++c) {
      const std::size_t at = i * wav.channels + c;
      sum += wav.pcm.empty() ? wav.floats[at] : static_cast<float>(wav.pcm[at]) / 32768.0f;
    }
    audio.samples[i] = sum / static_cast<float>(wav.channels);
  }
  if (audio.samples.size() < audio.rate_hz) throw std::runtime_error(path + ": shorter than a second");
  return audio;
}

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

Case flat_out(Player& player, const Options& options, std::vector<char>* evict) {
  Case played;
  played.cold = evict != nullptr;
  std::vector<double> processor_all;
  for (unsigned r = 0; r < options.rounds; ++r) {
    std::vector<double> round(options.frames), processor(options.frames);
    played.started_s.push_back(unix_seconds());
    for (unsigned i = 0; i < options.frames; ++i) {
      if (evict)
        for (std::size_t at = 0; at < evict->size(); at += 64) (*evict)[at] = static_cast<char>((*evict)[at] + 1);
      round[i] = player.next_frame_us(&processor[i]);
    }
    played.processor_rounds_us.push_back(median(processor));
    processor_all.insert(processor_all.end(), processor.begin(), processor.end());
    played.rounds_us.push_back(std::move(round));
  }
  played.processor_us = median(processor_all);
  return played;
}

Case real_time(Player& player, const Options& options) {
  Case played;
  played.real_time = true;
  played.period_us = 1e6 / player.frames_per_second();
  played.deadline_us = options.deadline_ms > 0 ? options.deadline_ms * 1000 : played.period_us;
  played.started_s.push_back(unix_seconds());
  std::vector<double> work;
  const double start = processor_us();
  player.play(options.seconds, &played.response_us, &work);
  if (work.empty()) throw std::runtime_error("--seconds is too short for a single frame");
  played.processor_us = (processor_us() - start) / static_cast<double>(work.size() * options.voices);
  played.processor_rounds_us.push_back(played.processor_us);
  played.rounds_us.push_back(std::move(work));
  return played;
}

void profile(const Options& options) {
  if (options.core >= 0) pin_to_core(options.core);
  const Audio audio = options.wav.empty() ? synthetic_audio(10) : read_audio(options.wav);
  Result result;
  result.machine_name = options.machine;
  result.note = options.note;
  Player player(options.model, audio, options.config, options.voices, options.chunk_ms);
  const bool asked = options.config.ensemble != FP_ENSEMBLE_AS_MODEL;
  result.ensemble = asked ? options.config.ensemble == FP_ENSEMBLE_ON : player.info().ensemble != 0;
  result.chunk_ms = options.chunk_ms;
  double unused = 0;
  for (int i = 0; i < 10; ++i) player.next_frame_us(&unused);
  result.cases.push_back(flat_out(player, options, nullptr));
  result.memory = memory_now();  // before there is a buffer that empties the caches
  if (options.cold) {
    std::vector<char> evict(std::max<std::size_t>(64u << 20, 2 * last_cache_bytes()));
    result.cases.push_back(flat_out(player, options, &evict));
  }
  if (options.seconds > 0) result.cases.push_back(real_time(player, options));
  for (Case& played : result.cases) played.core = options.core, played.voices = options.voices;
  result.machine = this_machine();
  const std::string temporary = options.out + ".part";
  std::FILE* file = std::fopen(temporary.c_str(), "w");
  if (!file) throw std::runtime_error(options.out + ": cannot be written");
  write_json(file, result, player);
  const bool whole_file = std::fclose(file) == 0;
  if (!whole_file || std::rename(temporary.c_str(), options.out.c_str()) != 0)
    throw std::runtime_error(options.out + ": cannot be written");
  write_summary(stderr, result, player);
}

}  // namespace

int main(int count, char** words) {
  const Options options = read_options(count, words);
  try {
    if (fp_abi_version() != FP_ABI_VERSION) throw std::runtime_error("libframe_stream has another ABI version");
    profile(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "profiler: %s\n", error.what());
    return 1;
  }
}
