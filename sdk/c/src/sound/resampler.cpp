#include "sound/resampler.h"

#include <cmath>
#include <numeric>

#include "base/clock.h"

namespace fp {
namespace {

constexpr int kZeroCrossings = 32;  // of the sinc on each side
constexpr double kStopbandDb = 74.0;
constexpr std::int64_t kMostPhases = 1024;
constexpr std::size_t kBlockSamples = 512;  // inputs fetched beyond the taps
constexpr double kPi = 3.14159265358979323846;

// Modified Bessel function of the first kind, order 0: sum of ((x / 2)^k / k!)^2.
double bessel_i0(double x) {
  double term = 1, sum = 1;
  for (int k = 1; term > 1e-18 * sum; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

double sinc(double x) { return x == 0 ? 1 : std::sin(kPi * x) / (kPi * x); }

}  // namespace

std::int64_t lookahead_samples(std::int64_t rate_hz) noexcept {
  if (rate_hz == kSampleRateHz) return 0;
  return rate_hz < kSampleRateHz ? kZeroCrossings : ceil_scaled(kZeroCrossings, rate_hz, kSampleRateHz);
}

FilterBank::FilterBank(std::int64_t rate)
    : rate_hz(rate), up(kSampleRateHz / std::gcd(rate, kSampleRateHz)), down(rate / std::gcd(rate, kSampleRateHz)),
      half(static_cast<std::size_t>(lookahead_samples(rate))), taps(2 * half),
      phases(static_cast<std::size_t>(std::min(up, kMostPhases))), blended(up > kMostPhases), unit(*kernels::best()) {
  if (up == down) return;
  const double scale = std::fmin(1.0, double(up) / double(down));
  const double width = kZeroCrossings / scale;
  // Kaiser's formulas: beta from the attenuation, transition width from beta and the length; its end lies at Nyquist
  const double beta = 0.1102 * (kStopbandDb - 8.7);
  const double transition = (kStopbandDb - 7.95) / (14.36 * 2 * kZeroCrossings);
  const double cutoff = (1.0 - transition) * scale;
  const std::size_t count = phases + (blended ? 1 : 0);
  rows.resize(count * taps);
  Vector<double> row(taps);
  for (std::size_t phase = 0; phase < count; ++phase) {
    double sum = 0;
    for (std::size_t i = 0; i < taps; ++i) {
      const double offset = double(i) - double(half) + 1 - double(phase) / double(phases);
      const double share = offset / width;
      const double inside = std::fabs(share) <= 1 ? bessel_i0(beta * std::sqrt(1 - share * share)) : 0;
      row[i] = sinc(cutoff * offset) * inside;
      sum += row[i];
    }
    for (std::size_t i = 0; i < taps; ++i) rows[phase * taps + i] = static_cast<float>(row[i] / sum);
  }
}

Resampler::Resampler(Shared<const FilterBank> bank)
    : bank_(std::move(bank)), inputs_(bank_->half ? bank_->taps + kBlockSamples : 0) {
  reset();
}

void Resampler::reset() noexcept {
  produced_ = position_ = phase_ = 0;
  // what stands before sample 0 is silence
  count_ = bank_->half ? bank_->half - 1 : 0;
  start_ = -static_cast<std::int64_t>(count_);
  std::fill(inputs_.begin(), inputs_.end(), 0.0f);
}

bool Resampler::exhausted(const SampleRing& ring) const noexcept {
  return ring.finished() && produced_ >= ceil_scaled(ring.received(), bank_->up, bank_->down);
}

std::size_t Resampler::make(SampleRing& ring, float* out, std::size_t most) noexcept {
  if (!bank_->half) {
    const std::size_t count = ring.take(out, most);
    produced_ += static_cast<std::int64_t>(count);
    return count;
  }
  // `finished` is asked before `received`: once it is set, `received` is final
  const bool finished = ring.finished();
  const std::int64_t limit = finished ? ceil_scaled(ring.received(), bank_->up, bank_->down) : INT64_MAX;
  const auto half = static_cast<std::int64_t>(bank_->half);
  std::size_t made = 0;
  const std::int64_t whole = bank_->down / bank_->up, rest = bank_->down % bank_->up;
  while (made < most && produced_ < limit) {
    const std::int64_t first = position_ - half + 1, end = position_ + half + 1;
    if (start_ + static_cast<std::int64_t>(count_) < end && !refill(ring, first, end)) {
      if (!finished) break;
      const auto missing = static_cast<std::size_t>(end - start_) - count_;
      std::fill_n(inputs_.begin() + static_cast<std::ptrdiff_t>(count_), missing, 0.0f);
      count_ += missing;
    }
    out[made++] = output(static_cast<std::size_t>(first - start_));
    ++produced_;
    position_ += whole, phase_ += rest;
    if (phase_ >= bank_->up) phase_ -= bank_->up, ++position_;
  }
  return made;
}

// Drop inputs before `first`, fetch what there is; whether inputs up to `end` are there now.
bool Resampler::refill(SampleRing& ring, std::int64_t first, std::int64_t end) noexcept {
  const std::size_t drop = std::min(count_, static_cast<std::size_t>(first - start_));
  std::move(inputs_.begin() + static_cast<std::ptrdiff_t>(drop), inputs_.begin() + static_cast<std::ptrdiff_t>(count_),
            inputs_.begin());
  start_ += static_cast<std::int64_t>(drop);
  count_ -= drop;
  count_ += ring.take(inputs_.data() + count_, inputs_.size() - count_);
  return start_ + static_cast<std::int64_t>(count_) >= end;
}

float Resampler::output(std::size_t at) const noexcept {
  const std::size_t taps = bank_->taps;
  const auto dot = [&](const float* weights) { return bank_->unit.dot(weights, inputs_.data() + at, taps); };
  if (!bank_->blended) return dot(bank_->rows.data() + static_cast<std::size_t>(phase_) * taps);
  const std::int64_t row = phase_ * kMostPhases / bank_->up, rest = phase_ * kMostPhases % bank_->up;
  const float share = static_cast<float>(double(rest) / double(bank_->up));
  const float* const weights = bank_->rows.data() + static_cast<std::size_t>(row) * taps;
  return dot(weights) * (1 - share) + dot(weights + taps) * share;
}

}  // namespace fp
