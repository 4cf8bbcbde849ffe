// Predictions of a window student: the whole window around every tick.
//
//     audio -> history [window of the next tick] -> engine
#pragma once

#include <cstdint>

#include "sound/audio.h"
#include "base/clock.h"
#include "run/engine.h"

namespace fp {

class WindowVoice {
 public:
  // `engine` must outlive it.
  WindowVoice(const Manifest& manifest, WindowEngine& engine, const Ticks& ticks);

  // The values of `tick`, the first or the one after that of the last call. FP_OK, FP_AGAIN, FP_END, or FP_RUN_FAILED
  // with a reason.
  fp_status predict(std::int64_t tick, Audio& audio, float* values, const char** reason) noexcept;
  void reset() noexcept;

 private:
  fp_status receive_until(std::int64_t due, std::int64_t tick, Audio& audio) noexcept;

  WindowEngine& engine_;
  Ticks ticks_;
  Timing timing_;
  std::int64_t past_;
  Vector<float> history_;  // 16 kHz samples [base_, base_ + count_)
  std::int64_t base_ = 0;
  std::size_t count_ = 0;
};

}  // namespace fp
