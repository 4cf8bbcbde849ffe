// One voice as the C door has it: samples in on one thread, frames out on another; what it holds is bounded and
// allocated when it is made.
//
//     push -> audio -> voice (window or stream student) -> ensemble -> curves -> frame
#pragma once

#include <array>
#include <cstdint>

#include "sound/audio.h"
#include "base/clock.h"
#include "run/engine.h"
#include "artefact/manifest.h"
#include "voices/voice.h"

namespace fp {

struct StreamSettings {
  FrameClock clock{1, 1};
  std::array<double, 3> weights{};  // of eq. 8; zeros without ensemble
  bool ensemble = false;
  std::uint32_t audio_channels = 1;
  std::size_t buffer_samples = 0;
};

struct Curve {
  float gain, offset, minimum, maximum;
};

class Stream {
 public:
  // `manifest` and `engine` must outlive it.
  Stream(const Manifest& manifest, Engine& engine, Shared<const FilterBank> bank,
         const StreamSettings& settings);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const StreamSettings& settings() const noexcept { return settings_; }
  const Manifest& manifest() const noexcept { return manifest_; }
  // Push and finish: the pushing thread. All else of it, and the functions below: the pulling one.
  Audio& audio() noexcept { return audio_; }
  const Audio& audio() const noexcept { return audio_; }

  // FP_OK, FP_AGAIN, FP_END or FP_RUN_FAILED, then with a reason.
  fp_status pull(std::int64_t* frame, float* values, const char** reason) noexcept;
  // What a crowd may run ahead of `pull`; nullptr of a window student.
  StreamVoice* hops() noexcept { return std::get_if<StreamVoice>(&voice_); }
  void set_curve(std::size_t channel, const Curve& curve) noexcept { curves_[channel] = curve; }
  void restore_curve(std::size_t channel) noexcept;

  // --- while neither thread is at work
  void reset() noexcept;

 private:
  void shape(const float* from, float* to) const noexcept;

  const Manifest& manifest_;
  StreamSettings settings_;
  Ticks ticks_;
  Audio audio_;
  Voice voice_;
  std::int64_t tick_ = 0, frame_ = 0;
  Vector<float> predictions_;  // the last three, of which `held_` stand from before
  std::size_t held_ = 0;
  Vector<Curve> curves_;
};

}  // namespace fp
