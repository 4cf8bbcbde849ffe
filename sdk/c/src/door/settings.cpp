#include "door/settings.h"

#include <cmath>

#include "door/door.h"
#include "sound/resampler.h"

namespace fp {
namespace {

constexpr std::int64_t kMostAudioChannels = 8, kLargestFraction = 1000000, kLongestBufferS = 60;
constexpr float kMostStyle = 2;  // a strength beyond it is a mistake, not an expression

Failure read_clock(const fp_stream_config& config, const Manifest& manifest, StreamSettings* settings) {
  std::int64_t n = config.fps_numerator, m = config.fps_denominator;
  if (!n && !m) n = manifest.fps_numerator, m = manifest.fps_denominator;
  const bool sane = n >= 1 && m >= 1 && n <= kLargestFraction && m <= kLargestFraction;
  if (!sane || n < m || n > 240 * m)
    return {FP_BAD_RATE, "frame rate " + number(n) + "/" + number(m) +
                             " is out of range: give 1 to 240 frames a second as a fraction, or 0/0"};
  settings->clock = {n, m};
  return {};
}

Failure read_weights(const fp_stream_config& config, const Manifest& manifest, StreamSettings* settings) {
  const float* const given = config.ensemble_weights;
  if (given[0] == 0 && given[1] == 0 && given[2] == 0) {
    const auto& own = manifest.ensemble;
    settings->weights = {1.0 / 3, 1.0 / 3, 1.0 / 3};
    if (!own.empty()) settings->weights = {own[0], own[1], own[2]};
    return {};
  }
  double sum = 0;
  bool inside = true;
  for (int i = 0; i < 3; ++i) sum += given[i], inside = inside && given[i] >= 0 && given[i] <= 1;
  if (!inside || !(std::fabs(sum - 1) <= 1e-6))
    return {FP_BAD_RATE, "ensemble weights: give three within 0..1 that sum to 1, or zeros"};
  settings->weights = {given[0], given[1], given[2]};
  return {};
}

}  // namespace

Failure read_settings(const fp_stream_config& config, const Manifest& manifest, StreamSettings* settings) {
  const std::int64_t rate = config.sample_rate_hz;
  if (rate < kLowestRateHz || rate > kHighestRateHz)
    return {FP_BAD_RATE, "sample rate " + number(rate) + " Hz is out of range: give 8000 to 96000 Hz"};
  if (config.audio_channels > kMostAudioChannels)
    return {FP_BAD_ARGUMENT, number(config.audio_channels) + " audio channels: give 1 to 8"};
  if (config.ensemble > FP_ENSEMBLE_ON)
    return {FP_BAD_ARGUMENT, "ensemble is none of FP_ENSEMBLE_AS_MODEL, FP_ENSEMBLE_OFF, FP_ENSEMBLE_ON"};
  if (config.buffer_samples > rate * kLongestBufferS)
    return {FP_BAD_ARGUMENT, "a buffer of " + number(config.buffer_samples) + " samples exceeds 60 s"};
  if (auto failure = read_clock(config, manifest, settings)) return failure;
  const FrameClock& clock = settings->clock;
  settings->ensemble =
      config.ensemble == FP_ENSEMBLE_AS_MODEL ? !manifest.ensemble.empty() : config.ensemble == FP_ENSEMBLE_ON;
  if (settings->ensemble && clock.numerator() > 120 * clock.denominator())
    return {FP_BAD_RATE, "the ensemble predicts at twice the frame rate: give at most 120, or FP_ENSEMBLE_OFF"};
  settings->audio_channels = config.audio_channels ? config.audio_channels : 1;
  settings->buffer_samples = static_cast<std::size_t>(config.buffer_samples ? config.buffer_samples : rate / 2);
  return settings->ensemble ? read_weights(config, manifest, settings) : Failure{};
}

fp_status check_style(const Manifest& manifest, const float* strengths, std::uint32_t count, fp_error* error) noexcept {
  if (!strengths) return null(error, "strengths");
  const std::size_t known = manifest.styles.size();
  if (!known) return fail(error, FP_BAD_ARGUMENT, "this artefact has no styles: python -m export.styled adds them");
  if (count != known) return fail(error, FP_BAD_ARGUMENT, "count is %u, this student has %zu styles", count, known);
  for (std::size_t i = 0; i < known; ++i)
    if (!(std::fabs(strengths[i]) <= kMostStyle))
      return fail(error, FP_BAD_ARGUMENT, "the strength of %s is not within -2 to 2", manifest.styles[i].c_str());
  return FP_OK;
}

}  // namespace fp
