// tracks model.pte: a voice on a picture clock, at rates from 8 to 96 kHz, its sound in blocks of 3 ms to 3 s. It says two takes
// with a pause between that is too short to come to rest in. Drawn must be the line between the frames of a stream that hears the
// same, and rest when the sound has stopped. Then push and pull on two threads, for a sanitizer to look at.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "tool.h"

namespace {

constexpr double kPicture_s = 1 / 60.0, kStart_s = 5, kPause_s = 0.08, kEase_s = 0.12;
constexpr double kBlended_s = 0.1;    // from the take before
constexpr float kSame = 1e-4f, kMoves = 0.01f;

struct Shape {
  std::uint32_t rate_hz, block, said;  // said: block_samples as the track is told
  double pause_s;                      // 0: as it comes
};

struct Track {
  Track(const fp_model* model, const Shape& shape) {
    fp_stream_config config{};
    config.struct_size = sizeof config, config.sample_rate_hz = shape.rate_hz, config.ensemble = FP_ENSEMBLE_OFF;
    fp_track_config own{};
    own.struct_size = sizeof own, own.block_samples = shape.said, own.pause_s = static_cast<float>(shape.pause_s);
    tool::must("track", [&](fp_error* error) { return fp_track_create(model, &config, &own, &handle, error); });
  }
  ~Track() { fp_track_destroy(handle); }

  void push(const std::int16_t* from, std::size_t count, double now_s) {
    const fp_status status =
        tool::must("push", [&](fp_error* error) { return fp_track_push_i16(handle, from, count, now_s, error); });
    tool::expect(status == FP_OK, "a block does not fit, though each picture pulls");
  }
  void pull(double now_s, std::vector<float>& values) {
    const auto count = static_cast<std::uint32_t>(values.size());
    tool::must("pull", [&](fp_error* error) { return fp_track_pull(handle, now_s, values.data(), count, error); });
  }

  fp_track* handle = nullptr;
};

std::vector<float> rest_of(const fp_model* model) {
  std::vector<float> rest(tool::channels(model));
  for (std::uint32_t i = 0; i < rest.size(); ++i)
    tool::must("range", [&](fp_error* error) { return fp_model_channel_range(model, i, nullptr, nullptr, &rest[i], error); });
  return rest;
}

[[noreturn]] void wrong(const Shape& shape, double now_s, const char* what, double by) {
  std::fprintf(stderr, "%u Hz, blocks of %u, told %u, pause %g: at %.3f s %s (%g)\n", shape.rate_hz, shape.block, shape.said,
               shape.pause_s, now_s - kStart_s, what, by);
  std::exit(1);
}

double farthest(const std::vector<float>& values, const float* from, const float* to, double share) {
  double most = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    most = std::max(most, std::fabs(double(values[i]) - (from[i] + (double(to[i]) - from[i]) * share)));
  return most;
}

void play(const fp_model* model, const Shape& shape) {
  const std::size_t blocks = std::max<std::size_t>(3, (shape.rate_hz + shape.block - 1) / shape.block);
  const std::size_t samples = blocks * shape.block;
  const fp_model_info info = tool::info(model);
  const double fps = double(info.fps_numerator) / info.fps_denominator, length_s = double(samples) / shape.rate_hz;
  const double block_s = double(shape.block) / shape.rate_hz, pause_s = shape.pause_s > 0 ? shape.pause_s : kPause_s;
  fp_stream* const stream = tool::create(model, shape.rate_hz);
  const std::vector<float> frames = tool::animate(stream, shape.rate_hz, info.channels, samples, 4000), rest = rest_of(model);
  fp_stream_destroy(stream);
  const auto frame = [&](std::size_t i) { return frames.data() + i * info.channels; };
  const auto audio = tool::voice_from(0, samples, shape.rate_hz);

  Track track(model, shape);
  const double delay_s = fp_track_delay_s(track.handle);
  const double begins_s[] = {kStart_s, kStart_s + length_s + pause_s + 0.05};  // the first has just been seen to stop
  const double rests_s = begins_s[1] + length_s + std::max(delay_s, block_s + pause_s) + kEase_s + 3 * kPicture_s;
  std::vector<float> values(info.channels);
  std::size_t pushed = 0, compared = 0;
  double moved = 0, most = 0;
  for (double now_s = kStart_s + 0.001; now_s < rests_s + 0.3; now_s += kPicture_s) {
    for (; pushed < 2 * blocks; ++pushed) {
      const double due_s = begins_s[pushed / blocks] + double(pushed % blocks + 1) * block_s;
      if (due_s > now_s) break;
      track.push(audio.data() + pushed % blocks * shape.block, shape.block, due_s);
    }
    track.pull(now_s, values);
    for (const double begin_s : begins_s) {
      const double heard_s = now_s - begin_s - delay_s;  // the last frames of a take wait until it is seen to stop
      if (heard_s < kBlended_s || heard_s > length_s - delay_s) continue;
      const auto left = static_cast<std::size_t>(heard_s * fps);
      most = std::max(most, farthest(values, frame(left), frame(left + 1), heard_s * fps - double(left)));
      moved = std::max(moved, farthest(values, rest.data(), rest.data(), 0));
      ++compared;
      if (most > kSame) wrong(shape, now_s, "it is not the frame that belongs there, by", most);
    }
    const double away = farthest(values, rest.data(), rest.data(), 0);
    if (now_s > rests_s && away > kSame) wrong(shape, now_s, "the sound stopped, and it is not at rest", away);
  }
  if (compared < 20 || moved < kMoves) wrong(shape, kStart_s, "it did not move", moved);
}

// Blocks come on a thread of their own, now and then with a pause. They keep to the clock of the pictures by numbers that order
// nothing else, so what the two threads share is ordered by the library or not at all.
void play_apart(const fp_model* model) {
  constexpr Shape kShape{16000, 1024, 1024, 0};
  constexpr double kBlock_s = 1024 / 16000.0, kEnd_s = 12;
  Track track(model, kShape);
  std::atomic<double> clock{0}, due{0};
  std::thread pusher([&] {
    const auto audio = tool::voice_from(0, kShape.block, kShape.rate_hz);
    int turn = 0;
    for (double at_s = kBlock_s; at_s < kEnd_s; at_s += kBlock_s + (++turn % 20 ? 0 : 0.3 + turn % 3 * 0.2)) {
      due.store(at_s, std::memory_order_relaxed);
      while (clock.load(std::memory_order_relaxed) < at_s) std::this_thread::yield();
      track.push(audio.data(), kShape.block, at_s);
    }
    due.store(kEnd_s + 1, std::memory_order_relaxed);
  });
  const std::vector<float> rest = rest_of(model);
  std::vector<float> values(rest.size());
  double moved = 0;
  for (double now_s = 0; now_s < kEnd_s + 1; now_s += kPicture_s) {
    clock.store(now_s, std::memory_order_relaxed);
    while (due.load(std::memory_order_relaxed) < now_s - 0.03) std::this_thread::yield();  // blocks are this late at most
    track.pull(now_s, values);
    moved = std::max(moved, farthest(values, rest.data(), rest.data(), 0));
  }
  pusher.join();
  tool::expect(moved > kMoves, "two threads: it moves");
  tool::expect(farthest(values, rest.data(), rest.data(), 0) < kSame, "two threads: at rest");
}

}  // namespace

int main(int count, char** words) {
  tool::expect(count == 2, "usage: tracks model.pte");
  fp_model* const model = tool::open(words[1]);
  for (const std::uint32_t rate : {8000u, 16000u, 44100u, 96000u}) {
    play(model, {rate, 1024, 0, 0});  // as it comes
    for (const std::uint32_t block : {rate / 300, 1024u, rate / 10, rate / 2, 3 * rate}) play(model, {rate, block, block, 0});
    play(model, {rate, rate / 8, rate / 8, 0.02});  // a pause shorter than a block
  }
  play_apart(model);
  fp_model_close(model);
  std::puts("ok");
}
