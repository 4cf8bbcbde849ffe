// The frame clock: frame index <-> absolute 16 kHz sample. The rate is a fraction; nothing is ever added up.
#pragma once

#include <cstdint>
#include <numeric>

namespace fp {

constexpr std::int64_t kSampleRateHz = 16000;

__extension__ typedef __int128 Wide;  // products of a frame index, a rate and a denominator

// a / b rounded down, for b > 0.
constexpr std::int64_t floor_div(Wide a, Wide b) {
  return static_cast<std::int64_t>(a / b - (a % b < 0 ? 1 : 0));
}
constexpr std::int64_t ceil_div(Wide a, Wide b) { return -floor_div(-a, b); }

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
    return floor_div(Wide{frame} * kSampleRateHz * denominator_, numerator_);
  }
  // How many frames k >= 0 sit strictly before `sample`.
  std::int64_t frames_before(std::int64_t sample) const noexcept {
    return sample <= 0 ? 0 : ceil_div(Wide{sample} * numerator_, Wide{kSampleRateHz} * denominator_);
  }
  // The clock at twice the rate: its frame 2k is this clock's frame k.
  FrameClock doubled() const noexcept { return {numerator_ * 2, denominator_}; }

 private:
  std::int64_t numerator_, denominator_;
};

}  // namespace fp
