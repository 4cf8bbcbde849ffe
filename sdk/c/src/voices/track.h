// A voice as a picture clock wants it: values at any instant, smooth whatever blocks the sound comes in, at rest when it
// stops. Two streams are taken in turn: while one says its last frames, the other already hears the next sound.
//
//     push (audio thread) -> the stream in turn                pull (drawing thread) -> frames -> line -> ease -> values
#pragma once

#include <atomic>
#include <cstdint>

#include "run/model.h"
#include "voices/stream.h"

namespace fp {

struct TrackSettings {
  double pause_s;  // since the last block came
  double ease_s, delay_s;
};

class Track {
 public:
  Track(Model& model, std::int64_t rate_hz, const StreamSettings& settings, const TrackSettings& track);

  double delay_s() const noexcept { return settings_.delay_s; }
  std::size_t channels() const noexcept { return rest_.size(); }

  // --- the pushing thread. As Audio::push; `now_s` is when the last of the samples was made, on pull's clock.
  template <class Sample>
  fp_status push(const Sample* samples, std::size_t count, double now_s, std::size_t* taken) noexcept;

  // --- the drawing thread. FP_OK, or FP_RUN_FAILED with a reason and the face where it was.
  fp_status pull(double now_s, float* values, const char** reason) noexcept;
  // One of the two, 0 or 1: whose hops a crowd may run before `pull`.
  Stream& stream(int which) noexcept { return take(which).stream; }

 private:
  // A stretch of sound without a pause.
  struct Take {
    Take(Model& model, std::int64_t rate_hz, const StreamSettings& settings)
        : stream(model.manifest(), model.engine(), model.bank(rate_hz), settings) {}
    Stream stream;
    // written by the pushing thread
    std::int64_t pushed = 0;
    std::atomic<bool> busy{false}, heard{false};
    std::atomic<double> ahead_s{0}, last_push_s{0};  // sound minus clock, evened out; when the last block came
    // the drawing thread's own
    std::int64_t made = 0;  // frames, of which the last `kept_` are in `frames_`
    bool finished = false, ended = false;
  };

  double position(const Take& take, double now_s) const noexcept;
  fp_status fetch(Take& take, const char** reason) noexcept;
  void finish_after_pause(Take& take, double now_s) noexcept;
  bool draw(Take& take, double now_s, float* values) noexcept;
  void next_take() noexcept;
  float* frame(std::int64_t index) noexcept {
    return frames_.data() + static_cast<std::size_t>(index % kept_) * rest_.size();
  }
  void mix(const float* from, const float* to, double share, float* out) const noexcept;

  TrackSettings settings_;
  FrameClock clock_;
  std::int64_t rate_hz_, kept_;
  Take first_, second_;
  std::atomic<int> turn_{0};  // which take hears
  int drawn_ = 0;             // which is shown
  Vector<float> rest_, frames_, shown_, from_;
  double from_s_;             // when `from_` was shown, as a take began
  Take& take(int which) noexcept { return which ? second_ : first_; }
};

}  // namespace fp
