// Where the delay of a frame comes from, in whole samples; the arithmetic of sdk/latency.py.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace fp {

struct Latency {
  std::int64_t future, grid, ensemble;  // 16 kHz samples; grid: until a hop is full
  std::int64_t resampler, block;        // samples at the stream's rate
  std::int64_t total;                   // 16 kHz samples, rounded up
};

// The worst case over all frames when `chunk` samples at `rate_hz` are pushed at a time.
Latency latency_of(const FrameClock& clock, const Timing& timing, bool ensemble, std::int64_t rate_hz,
                   std::int64_t chunk) noexcept;

}  // namespace fp
