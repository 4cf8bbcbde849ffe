#include "sound/latency.h"

#include <algorithm>
#include <numeric>

#include "sound/resampler.h"

namespace fp {

Latency latency_of(const FrameClock& clock, const Timing& timing, bool ensemble, std::int64_t rate_hz,
                   std::int64_t chunk) noexcept {
  const std::int64_t half = lookahead_samples(rate_hz), n = clock.numerator(), m = clock.denominator();
  const std::int64_t future = timing.future_samples;
  // fewest frames after which the clock meets a whole sample at the stream's rate, and the grid of hops at 16 kHz
  const std::int64_t whole = std::lcm(n / std::gcd(n, kSampleRateHz * m), n / std::gcd(n, rate_hz * m));
  const std::int64_t period = whole * (timing.hop_samples / std::gcd(timing.hop_samples, clock.sample(whole)));
  const FrameClock doubled = clock.doubled();
  // every frame recurs after `step` inputs; its distance to a chunk boundary is then known modulo g
  const std::int64_t step = clock.sample(period) * rate_hz / kSampleRateHz, g = std::gcd(step, chunk);
  std::int64_t longest = 0, most_extra = 0, grid = 0;
  for (std::int64_t frame = 0; frame < period; ++frame) {
    const std::int64_t sample = clock.sample(frame);
    const std::int64_t extra = ensemble ? doubled.sample(2 * frame + 1) - sample : 0;
    const std::int64_t last = timing.needed_samples(sample + extra) - 1;  // the last sample it needs
    const std::int64_t needed = last * rate_hz / kSampleRateHz + half + 1;  // inputs that must have arrived
    const std::int64_t arrived = needed + chunk - g + (g - needed % g) % g;
    longest = std::max(longest, arrived * kSampleRateHz - sample * rate_hz);  // in 1 / (16000 * rate) seconds
    most_extra = std::max(most_extra, extra);
    grid = std::max(grid, last + 1 - sample - extra - std::max<std::int64_t>(future, 1));
  }
  const std::int64_t known = (future + grid + most_extra) * rate_hz + half * kSampleRateHz;
  const std::int64_t block = std::max<std::int64_t>(0, ceil_div(longest - known, kSampleRateHz));
  const std::int64_t total = future + grid + most_extra + ceil_scaled(half + block, kSampleRateHz, rate_hz);
  return {future, grid, most_extra, half, block, total};
}

}  // namespace fp
