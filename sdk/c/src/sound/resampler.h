// Any whole rate from 8 to 96 kHz to 16 kHz: output j sits at input j * rate / 16000 exactly; chunking does not matter.
// The filter is that of sdk/audio.py: a sinc under a Kaiser window, one row of weights for each phase.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"
#include "sound/ring.h"

namespace fp {

constexpr std::int64_t kLowestRateHz = 8000, kHighestRateHz = 96000;

// Input samples beyond its own position that an output sample waits for; 0 at 16 kHz.
std::int64_t lookahead_samples(std::int64_t rate_hz) noexcept;

// The weights for one rate: immutable, shared by all voices at that rate.
struct FilterBank {
  explicit FilterBank(std::int64_t rate_hz);

  std::int64_t rate_hz, up, down;
  std::size_t half, taps;     // lookahead, and twice that
  std::size_t phases;         // rows; one more where neighbouring rows are blended
  bool blended;               // more than 1024 phases
  Vector<float> rows;    // (phases [+ 1], taps)
  const kernels::Kernels& unit;
};

// One voice's resampling, on the pulling thread. All memory is allocated when it is made.
class Resampler {
 public:
  explicit Resampler(Shared<const FilterBank> bank);

  void reset() noexcept;
  // Up to `most` 16 kHz samples from `ring` into `out`; returns how many. After `finish` of the ring the tail comes as
  // if silence followed: ceil(n * 16000 / rate) in all.
  std::size_t make(SampleRing& ring, float* out, std::size_t most) noexcept;
  // Whether the ring is finished and every output was made.
  bool exhausted(const SampleRing& ring) const noexcept;
  std::int64_t produced() const noexcept { return produced_; }

 private:
  bool refill(SampleRing& ring, std::int64_t first, std::int64_t end) noexcept;
  float output(std::size_t at) const noexcept;

  Shared<const FilterBank> bank_;
  Vector<float> inputs_;   // input samples [start_, start_ + count_)
  std::int64_t start_ = 0;
  std::size_t count_ = 0;
  std::int64_t produced_ = 0;
  std::int64_t position_ = 0, phase_ = 0;  // of the next output: the input before it, and what lies between
};

}  // namespace fp
