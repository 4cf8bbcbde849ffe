#include "sound/audio.h"

#include <algorithm>
#include <cmath>

namespace fp {
namespace {

constexpr float kLoudest = 100.0f;  // 40 dB over full scale: only integers written as floats get here
// 300 dB under full scale: silence. What decays further becomes numbers that processors multiply 30 times slower.
constexpr float kFaintest = 1e-15f;

float to_float(float sample) { return sample; }
float to_float(std::int16_t sample) { return static_cast<float>(sample) / 32768.0f; }

}  // namespace

Audio::Audio(Shared<const FilterBank> bank, std::uint32_t channels, std::size_t buffer_samples)
    : bank_(std::move(bank)), channels_(channels), ring_(buffer_samples), resampler_(bank_) {}

void Audio::reset() noexcept {
  ring_.reset();
  finished_ = false;
  resampler_.reset();
}

template <class Sample>
fp_status Audio::push(const Sample* samples, std::size_t count, std::size_t* taken) noexcept {
  *taken = 0;
  if (finished_) return FP_FINISHED;
  const std::size_t fits = std::min(count, ring_.room());
  bool usable = true;
  for (std::size_t done = 0, run = 0; done < fits; done += run) {
    float* const to = ring_.places(done, &run);
    run = std::min(run, fits - done);
    for (std::size_t i = 0; i < run; ++i, samples += channels_) {
      float sum = 0;
      for (std::size_t c = 0; c < channels_; ++c) {
        const float value = to_float(samples[c]);
        usable &= std::fabs(value) <= kLoudest;  // NaN is not
        sum += value;
      }
      const float mono = channels_ == 1 ? sum : sum / static_cast<float>(channels_);
      to[i] = std::fabs(mono) < kFaintest ? 0.0f : mono;
    }
  }
  if (!usable) return FP_BAD_AUDIO;
  ring_.publish(fits);
  *taken = fits;
  return fits == count ? FP_OK : FP_AGAIN;
}

template fp_status Audio::push(const float*, std::size_t, std::size_t*) noexcept;
template fp_status Audio::push(const std::int16_t*, std::size_t, std::size_t*) noexcept;

}  // namespace fp
