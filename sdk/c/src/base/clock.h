// The frame clock: frame index <-> absolute 16 kHz sample. The rate is a fraction; nothing is ever added up.
#pragma once

#include <cstdint>
#include <numeric>

namespace fp {

constexpr std::int64_t kSampleRateHz = 16000;

// a / b rounded down, or up, for b > 0.
constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return -floor_div(-a, b); }

// a * b / c rounded down, or up, for c > 0 and b * c within 64 bits: what exceeds them is never made, on any machine.
constexpr std::int64_t floor_scaled(std::int64_t a, std::int64_t b, std::int64_t c) {
  const std::int64_t whole = floor_div(a, c);
  return whole * b + floor_div((a - whole * c) * b, c);
}
constexpr std::int64_t ceil_scaled(std::int64_t a, std::int64_t b, std::int64_t c) { return -floor_scaled(-a, b, c); }

class FrameClock {
 public:
  // `numerator` / `denominator` frames a second; both positive.
  FrameClock(std::int64_t numerator, std::int64_t denominator)
      : numerator_(numerator / std::gcd(numerator, denominator)),
        denominator_(denominator / std::gcd(numerator, denominator)) {}

  std::int64_t numerator() const noexcept { return numerator_; }
  std::int64_t denominator() const noexcept { return denominator_; }

  // Where frame k sits: k * 16000 * m // n. Frames before the start are negative.
  std::int64_t sample(std::int64_t frame) const noexcept {
    return floor_scaled(frame, kSampleRateHz * denominator_, numerator_);
  }
  // How many frames k >= 0 sit strictly before `sample`.
  std::int64_t frames_before(std::int64_t sample) const noexcept {
    return sample <= 0 ? 0 : ceil_scaled(sample, numerator_, kSampleRateHz * denominator_);
  }
  // The clock at twice the rate: its frame 2k is this clock's frame k.
  FrameClock doubled() const noexcept { return {numerator_ * 2, denominator_}; }

 private:
  std::int64_t numerator_, denominator_;
};

// When predictions are made, and for how long: at the frames of a clock, with the ensemble at those of the doubled one.
//
//     doubled   -1    0    1    2    3        frame k is made of the ticks 2k - 1, 2k, 2k + 1
//     clock           0         1
class Ticks {
 public:
  Ticks(const FrameClock& clock, bool ensemble)
      : clock_(clock), ticks_(ensemble ? clock.doubled() : clock), ensemble_(ensemble) {}

  std::int64_t first() const noexcept { return ensemble_ ? -1 : 0; }
  std::int64_t sample(std::int64_t tick) const noexcept { return ticks_.sample(tick); }
  // The last tick that a take of `samples` has a frame for; before the first if there is none.
  std::int64_t last(std::int64_t samples) const noexcept {
    const std::int64_t frames = clock_.frames_before(samples);
    if (!frames) return first() - 1;
    return ensemble_ ? 2 * frames - 1 : frames - 1;
  }

 private:
  FrameClock clock_, ticks_;
  bool ensemble_;
};

// What a prediction waits for: its future context, and the hop to fill up. A window may begin at any sample: hops of 1.
struct Timing {
  std::int64_t future_samples, hop_samples;

  // How many hops must have run before a tick at `sample` is due. It waits at least for the sample it sits on, so that
  // frames exist where audio does.
  std::int64_t hops_until(std::int64_t sample) const noexcept {
    const std::int64_t end = sample + (future_samples > 1 ? future_samples : 1);
    return end <= hop_samples ? 1 : ceil_div(end, hop_samples);
  }
  // How many samples must have been received before a tick at `sample`, 0 or later, is due.
  std::int64_t needed_samples(std::int64_t sample) const noexcept { return hops_until(sample) * hop_samples; }
  // The absolute sample that the values of hop `hop` describe.
  std::int64_t instant(std::int64_t hop) const noexcept { return hop_samples * (hop + 1) - future_samples; }
};

}  // namespace fp
