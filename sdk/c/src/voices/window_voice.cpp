#include "voices/window_voice.h"

#include <algorithm>
#include <cstring>

namespace fp {
namespace {

constexpr std::size_t kSlackSamples = 2048;  // the history moves to the front of its memory once in so many samples

}  // namespace

WindowVoice::WindowVoice(const Manifest& manifest, WindowEngine& engine, const Ticks& ticks)
    : engine_(engine), ticks_(ticks), timing_(manifest.timing()),
      past_(std::int64_t{manifest.window_samples} - manifest.future_samples),
      history_(manifest.window_samples + kSlackSamples) {
  reset();
}

void WindowVoice::reset() noexcept {
  base_ = ticks_.sample(ticks_.first()) - past_;
  count_ = 0;
}

fp_status WindowVoice::predict(std::int64_t tick, Audio& audio, float* values, const char** reason) noexcept {
  const std::int64_t sample = ticks_.sample(tick);
  const fp_status status = receive_until(sample + std::max<std::int64_t>(timing_.future_samples, 1), tick, audio);
  if (status != FP_OK) return status;
  return engine_.run(history_.data() + (sample - past_ - base_), values, reason);
}

// Bring the history up to 16 kHz sample `due`, exclusive: silence before sample 0, then what was pushed, then silence
// for as long as frames are missing. FP_OK, or FP_AGAIN if that audio has not come yet, or FP_END if it never will.
fp_status WindowVoice::receive_until(std::int64_t due, std::int64_t tick, Audio& audio) noexcept {
  const std::int64_t needed = ticks_.sample(tick) - past_;
  for (std::int64_t end; (end = base_ + static_cast<std::int64_t>(count_)) < due;) {
    if (count_ == history_.size()) {
      const auto drop = static_cast<std::size_t>(std::clamp<std::int64_t>(needed - base_, 0, end - base_));
      std::memmove(history_.data(), history_.data() + drop, (count_ - drop) * sizeof(float));
      base_ += static_cast<std::int64_t>(drop);
      count_ -= drop;
    }
    float* const to = history_.data() + count_;
    const std::int64_t wanted = end < 0 ? std::min(due, std::int64_t{0}) - end : due - end;
    const std::size_t most = std::min(static_cast<std::size_t>(wanted), history_.size() - count_);
    std::size_t made = end < 0 ? 0 : audio.next(to, most);
    if (!made) {
      if (end >= 0) {
        if (!audio.ended()) return FP_AGAIN;
        if (tick > ticks_.last(audio.samples())) return FP_END;
      }
      std::fill_n(to, most, 0.0f);
      made = most;
    }
    count_ += made;
  }
  return FP_OK;
}

}  // namespace fp
