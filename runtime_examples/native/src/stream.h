// One voice: samples in on one thread, frames out on another; what it holds is bounded and allocated when it is made.
//
//     push -> ring -> resampler -> history [window of the next frame] -> engine -> ensemble -> curves -> frame
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "clock.h"
#include "engine.h"
#include "manifest.h"
#include "resampler.h"
#include "ring.h"

namespace fp {

struct StreamSettings {
  FrameClock clock;
  std::array<double, 3> weights;  // of eq. 8; zeros without ensemble
  bool ensemble;
  std::uint32_t audio_channels;
  std::size_t buffer_samples;
};

struct Curve {
  float gain, offset, minimum, maximum;
};

class Stream {
 public:
  // `manifest` and `engine` must outlive it.
  Stream(const Manifest& manifest, Engine& engine, std::shared_ptr<const FilterBank> bank,
         const StreamSettings& settings);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const StreamSettings& settings() const noexcept { return settings_; }
  const Manifest& manifest() const noexcept { return manifest_; }
  std::int64_t rate_hz() const noexcept { return bank_->rate_hz; }

  // --- the pushing thread. Sample is float or std::int16_t, interleaved. FP_OK, FP_AGAIN, FP_BAD_AUDIO or FP_FINISHED.
  template <class Sample>
  fp_status push(const Sample* samples, std::size_t count, std::size_t* taken) noexcept;
  void finish() noexcept {
    finished_ = true;
    ring_.finish();
  }

  // --- the pulling thread. FP_OK, FP_AGAIN, FP_END or FP_RUN_FAILED, then with a reason.
  fp_status pull(std::int64_t* frame, float* values, const char** reason) noexcept;
  void set_curve(std::size_t channel, const Curve& curve) noexcept { curves_[channel] = curve; }
  void restore_curve(std::size_t channel) noexcept;

  // --- while neither thread is at work
  void reset() noexcept;

 private:
  fp_status receive_until(std::int64_t due) noexcept;
  void shape(const float* from, float* to) const noexcept;

  const Manifest& manifest_;
  Engine& engine_;
  std::shared_ptr<const FilterBank> bank_;
  StreamSettings settings_;
  FrameClock ticks_;  // predictions: the clock, doubled with ensemble
  std::int64_t past_, wait_;
  SampleRing ring_;
  bool finished_ = false;  // the pushing thread's own copy
  Resampler resampler_;
  std::vector<float> history_;  // 16 kHz samples [base_, base_ + count_)
  std::int64_t base_ = 0;
  std::size_t count_ = 0;
  std::int64_t tick_ = 0, frame_ = 0;
  std::vector<float> predictions_;  // the last three, of which `held_` stand from before
  std::size_t held_ = 0;
  std::vector<Curve> curves_;
};

}  // namespace fp
