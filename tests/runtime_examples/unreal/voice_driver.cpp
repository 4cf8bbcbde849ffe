// voice_driver model.pte audio.f32 rate: drives the engine-free half of the Unreal plugin, mono float samples in. Prints what
// the faces did: `audible seconds value value ...` of a loop that follows its blocks, and `game BLOCK seconds value ...` of
// sixty pictures a second whose sound is cut off. Run by tests/runtime_examples/test_unreal.py.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "SpeechVoice.h"

using tinyface::Model;
using tinyface::Voice;

constexpr double kStart_s = 1000;  // an engine has run for a while

static void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "voice_driver: %s\n", what);
  std::exit(1);
}

static std::vector<char> read_bytes(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

static void print(const std::string& kind, double when, const float* face, std::size_t channels) {
  std::printf("%s %.17g", kind.c_str(), when);
  for (std::size_t i = 0; i < channels; ++i) std::printf(" %.9g", double(face[i]));
  std::puts("");
}

constexpr std::uint32_t kBlock = 256;

// A picture at every third block, at the instant at which that came.
static void follow(const Model& model, const std::vector<float>& audio, std::uint32_t rate) {
  Voice voice;
  std::string error;
  expect(voice.open(model, rate, 2, kBlock, error), error.c_str());
  std::vector<float> stereo(2 * kBlock);
  for (std::size_t at = 0, block = 0; at + kBlock <= audio.size(); at += kBlock, ++block) {
    for (std::size_t i = 0; i < kBlock; ++i) stereo[2 * i] = stereo[2 * i + 1] = audio[at + i];
    const double heard_s = double(at + kBlock) / rate;
    expect(voice.push(stereo.data(), kBlock, kStart_s + heard_s), "push");
    if (block % 3 != 2) continue;
    const float* const face = voice.face(kStart_s + heard_s, error);
    expect(face && error.empty(), error.c_str());
    print("audible", heard_s - voice.delay_seconds(), face, model.channels().size());
  }
}

// Sixty pictures a second while blocks come as they are full; two thirds of the sound, then none.
static void play(const Model& model, const std::vector<float>& audio, std::uint32_t rate, std::uint32_t block) {
  Voice voice;
  std::string error;
  expect(voice.open(model, rate, 1, 1024, error), error.c_str());
  const std::size_t cut = audio.size() * 2 / 3 / 1024 * 1024;
  std::size_t at = 0;
  for (int tick = 0; tick < 60 * int(audio.size() / rate + 1); ++tick) {
    const double now_s = tick / 60.0;
    for (; at < cut && double(at + block) / rate <= now_s; at += block)
      expect(voice.push(&audio[at], block, kStart_s + double(at + block) / rate), "push");
    const float* const face = voice.face(kStart_s + now_s, error);
    expect(face && error.empty(), error.c_str());
    print("game " + std::to_string(block), now_s - double(cut) / rate, face, model.channels().size());
  }
}

static void refusals(const std::vector<char>& bytes, const std::vector<float>& audio) {
  Model none, model;
  std::string error;
  expect(!none.open("text", 4, error) && !error.empty() && !none.is_open(), "no artefact");
  expect(model.open(bytes.data(), bytes.size(), error), error.c_str());
  Voice voice;
  expect(!voice.push(audio.data(), 1, 0) && !voice.face(0, error) && voice.delay_seconds() == 0, "a closed voice");
  expect(!voice.open(model, 7000, 1, kBlock, error) && error.find("8000 to 96000") != std::string::npos, "rate");
  expect(!voice.open(model, 16000, 9, kBlock, error) && !voice.open(none, 16000, 1, kBlock, error), "channels, no model");
  error.clear();
  expect(voice.open(model, 16000, 1, kBlock, error), error.c_str());
  std::vector<float> broken(kBlock, 0.1f);
  broken[9] = NAN;
  expect(voice.push(audio.data(), kBlock, 1) && !voice.push(broken.data(), kBlock, 1), "NaN");
  expect(voice.face(1, error) && error.find("NaN") != std::string::npos, "NaN is said, and the face stays");
  error.clear();
  expect(voice.push(audio.data(), kBlock, 1) && voice.face(1, error) && error.empty(), "it goes on");
  bool lost = false;
  for (int i = 0; i < 16000 * 3 / int(kBlock); ++i) lost = !voice.push(audio.data(), kBlock, 1 + i * 0.016);
  expect(lost && voice.face(4, error) && error.find("two seconds") != std::string::npos, "overrun");
}

static void two_threads(const Model& model, const std::vector<float>& audio, std::uint32_t rate) {
  Voice voice;
  std::string error;
  expect(voice.open(model, rate, 1, kBlock, error), error.c_str());
  std::atomic<std::size_t> heard{0};
  std::atomic<bool> done{false};
  std::thread microphone([&] {
    for (std::size_t at = 0; at + kBlock <= rate; at += kBlock, heard = at)  // a second: what the buffer holds
      expect(voice.push(&audio[at], kBlock, double(at + kBlock) / rate), "push");
    done = true;
  });
  while (!done) expect(voice.face(double(heard) / rate, error) && error.empty(), error.c_str());
  microphone.join();
}

int main(int, char** words) {
  const std::vector<char> bytes = read_bytes(words[1]), sound = read_bytes(words[2]);
  const float* const first = reinterpret_cast<const float*>(sound.data());
  const std::vector<float> audio(first, first + sound.size() / sizeof(float));
  const auto rate = static_cast<std::uint32_t>(std::atoi(words[3]));
  Model model;
  std::string error;
  expect(model.open(bytes.data(), bytes.size(), error), error.c_str());
  for (const std::string& name : model.channels()) std::printf("%s ", name.c_str());
  std::puts("");
  follow(model, audio, rate);
  play(model, audio, rate, 1024);
  play(model, audio, rate, 128);
  two_threads(model, audio, rate);
  refusals(bytes, audio);
  std::puts("done");
}
