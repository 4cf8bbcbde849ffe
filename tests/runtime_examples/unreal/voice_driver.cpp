// voice_driver model.pte audio.f32 rate: drives the engine-free half of the Unreal plugin, mono float samples in. Prints what
// the faces did: `audible seconds value value ...` and `newest frame value ...`. Run by tests/runtime_examples/test_unreal.py.
#include <cstdio>
#include <cstdlib>
#include <cmath>
#include <fstream>
#include <iterator>
#include <thread>

#include "SpeechVoice.h"

using tinyface::Model;
using tinyface::Voice;

static void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "voice_driver: %s\n", what);
  std::exit(1);
}

static std::vector<float> read_floats(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const float* first = reinterpret_cast<const float*>(bytes.data());
  return {first, first + bytes.size() / sizeof(float)};
}

static void print(const char* kind, double when, const float* face, std::size_t channels) {
  std::printf("%s %.17g", kind, when);
  for (std::size_t i = 0; i < channels; ++i) std::printf(" %.9g", double(face[i]));
  std::puts("");
}

constexpr std::uint32_t kBlock = 256;

static void play(const Model& model, const std::vector<float>& audio, std::uint32_t rate, bool delayed) {
  Voice voice;
  std::string error;
  expect(voice.open(model, rate, 2, kBlock, error), error.c_str());
  expect(voice.face(0) == nullptr, "no face before the first frame");
  const double delay = delayed ? voice.latency_seconds() + model.frame_seconds() : 0;
  std::vector<float> stereo(2 * kBlock);
  for (std::size_t at = 0, block = 0; at + kBlock <= audio.size(); at += kBlock, ++block) {
    for (std::size_t i = 0; i < kBlock; ++i) stereo[2 * i] = stereo[2 * i + 1] = audio[at + i];
    expect(voice.push(stereo.data(), kBlock), "push");
    if (block % 3 != 2) continue;
    expect(voice.update(error), error.c_str());
    const float* face = voice.face(delay);
    if (!face) continue;
    if (delayed) print("audible", double(at + kBlock) / rate - delay, face, model.channels().size());
    else print("newest", double(voice.frames() - 1), face, model.channels().size());
  }
}

static void refusals(const char* path, const std::vector<float>& audio) {
  Model none, model;
  std::string error;
  expect(!none.open("absent.pte", error) && error.find("absent.pte") != std::string::npos && !none.is_open(), "absent");
  expect(model.open(path, error), error.c_str());
  Voice voice;
  expect(!voice.push(audio.data(), 1) && !voice.update(error), "a closed voice");
  expect(!voice.open(model, 7000, 1, kBlock, error) && error.find("8000 to 96000") != std::string::npos, "rate");
  expect(!voice.open(model, 16000, 9, kBlock, error) && !voice.open(model, 16000, 1, 0, error), "channels, blocks");
  expect(!voice.open(none, 16000, 1, kBlock, error), "no model");
  expect(voice.open(model, 16000, 1, kBlock, error), error.c_str());
  std::vector<float> broken(kBlock, 0.1f);
  broken[9] = NAN;
  expect(voice.push(audio.data(), kBlock) && !voice.push(broken.data(), kBlock), "NaN");
  expect(!voice.push(audio.data(), kBlock), "a lost take stays lost");
  expect(!voice.update(error) && error.find("NaN") != std::string::npos, "NaN is said");
  expect(voice.open(model, 16000, 1, kBlock, error), "open again");
  bool lost = false;
  for (int i = 0; i < 16000 * 3 / int(kBlock); ++i) lost = !voice.push(audio.data(), kBlock);
  expect(lost && !voice.update(error) && error.find("two seconds") != std::string::npos, "overrun");
}

static void two_threads(const Model& model, const std::vector<float>& audio, std::uint32_t rate) {
  Voice voice;
  std::string error;
  expect(voice.open(model, rate, 1, kBlock, error), error.c_str());
  std::atomic<bool> done{false};
  std::thread microphone([&] {
    for (std::size_t at = 0; at + kBlock <= audio.size(); at += kBlock) expect(voice.push(&audio[at], kBlock), "push");
    done = true;
  });
  while (!done) {
    expect(voice.update(error), error.c_str());
    voice.face(0.1);
  }
  microphone.join();
  expect(voice.update(error), error.c_str());
  print("newest", double(voice.frames() - 1), voice.face(0), model.channels().size());
}

int main(int, char** words) {
  const std::vector<float> audio = read_floats(words[2]);
  const auto rate = static_cast<std::uint32_t>(std::atoi(words[3]));
  Model model;
  std::string error;
  expect(model.open(words[1], error), error.c_str());
  for (const std::string& name : model.channels()) std::printf("%s ", name.c_str());
  std::puts("");
  play(model, audio, rate, true);
  play(model, audio, rate, false);
  two_threads(model, audio, rate);
  refusals(words[1], audio);
  std::puts("done");
}
