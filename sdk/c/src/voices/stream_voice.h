// Predictions of a stream student: every hop runs once, values between two hops lie on a straight line.
//
//     audio -> hop -> engine, or a crowd's -> values of the last hops -> line -> tick
//
// Hops may run ahead of the ticks that need them, as far as there is room for their values: that is what a crowd does.
#pragma once

#include <cstdint>

#include "base/arena.h"
#include "sound/audio.h"
#include "base/clock.h"
#include "run/engine.h"

namespace fp {

class StreamVoice {
 public:
  // buffer_samples: at 16 kHz, what may wait in the audio; as many hops may run ahead. `engine` must outlive it.
  StreamVoice(const Manifest& manifest, StreamEngine& engine, const Ticks& ticks, std::int64_t buffer_samples);

  // As WindowVoice.
  fp_status predict(std::int64_t tick, Audio& audio, float* values, const char** reason) noexcept;
  void reset() noexcept;
  // Hops that have not run yet run in this style, `(styles,)` numbers, also after a reset. A manifest with styles only.
  void dress(const float* style) noexcept;

  // --- one hop: fill it, run it, keep what it gave
  // FP_OK: the next hop is full. FP_AGAIN: audio is missing, or room for its values. FP_END: no frame needs another.
  fp_status fill(Audio& audio) noexcept;
  float* hop() noexcept { return hop_.floats(); }  // (hop_samples,)
  State& state() noexcept { return state_; }       // before it
  float* values() noexcept { return values_of(made_); }  // where its values go, (channels,)
  // It has run: the state is the one after it, its values are in their place.
  void advance() noexcept {
    ++made_;
    filled_ = 0;
  }
  fp_status run(const char** reason) noexcept;

 private:
  float* values_of(std::int64_t hop) noexcept {
    return values_.data() + static_cast<std::size_t>(hop % kept_) * channels_;
  }

  StreamEngine& engine_;
  Ticks ticks_;
  Timing timing_;
  std::size_t channels_;
  State state_;
  Arena hop_;
  std::size_t filled_ = 0;      // samples of the next hop
  std::int64_t made_ = 0;       // hops that have run
  std::int64_t used_ = 0;       // of these, what ticks have reached; the line ends at the last of them
  std::int64_t kept_;           // hops that have room
  Vector<float> values_;   // (kept_, channels), hop modulo kept_
  Vector<float> style_;    // the last tensor of the state, which a hop gives back as it was; or nothing
};

}  // namespace fp
