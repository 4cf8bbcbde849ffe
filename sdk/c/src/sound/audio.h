// The audio of a take: samples at any rate in on one thread, 16 kHz out on another, silence before and behind.
//
//     push -> ring -> resampler -> next
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/failure.h"
#include "sound/resampler.h"
#include "sound/ring.h"

namespace fp {

class Audio {
 public:
  // channels: interleaved, averaged. buffer_samples: what may be pushed ahead, a channel.
  Audio(Shared<const FilterBank> bank, std::uint32_t channels, std::size_t buffer_samples);

  std::int64_t rate_hz() const noexcept { return bank_->rate_hz; }

  // --- the pushing thread. Sample is float or std::int16_t. FP_OK, FP_AGAIN, FP_BAD_AUDIO or FP_FINISHED.
  template <class Sample>
  fp_status push(const Sample* samples, std::size_t count, std::size_t* taken) noexcept;
  void finish() noexcept {
    finished_ = true;
    ring_.finish();
  }

  // --- the pulling thread
  // Up to `most` samples to `out`; returns how many.
  std::size_t next(float* out, std::size_t most) noexcept { return resampler_.make(ring_, out, most); }
  // Whether the take is finished and all of it came out: `samples` is then its length, and silence follows.
  bool ended() const noexcept { return resampler_.exhausted(ring_); }
  std::int64_t samples() const noexcept { return resampler_.produced(); }

  // --- while neither thread is at work
  void reset() noexcept;

 private:
  Shared<const FilterBank> bank_;
  std::uint32_t channels_;
  SampleRing ring_;
  bool finished_ = false;  // the pushing thread's own copy
  Resampler resampler_;
};

}  // namespace fp
