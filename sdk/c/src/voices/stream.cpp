#include "voices/stream.h"

#include <algorithm>
#include <cstring>

namespace fp {
namespace {

std::int64_t at_16_khz(std::size_t samples, std::int64_t rate_hz) {
  return ceil_scaled(static_cast<std::int64_t>(samples), kSampleRateHz, rate_hz);
}

}  // namespace

Stream::Stream(const Manifest& manifest, Engine& engine, Shared<const FilterBank> bank,
               const StreamSettings& settings)
    : manifest_(manifest), settings_(settings), ticks_(settings.clock, settings.ensemble),
      audio_(bank, settings.audio_channels, settings.buffer_samples),
      voice_(open_voice(manifest, engine, ticks_, at_16_khz(settings.buffer_samples, bank->rate_hz))),
      predictions_(3 * manifest_.names.size()), curves_(manifest_.names.size()) {
  for (std::size_t channel = 0; channel < curves_.size(); ++channel) restore_curve(channel);
  reset();
}

void Stream::reset() noexcept {
  audio_.reset();
  std::visit([](auto& voice) { voice.reset(); }, voice_);
  frame_ = 0;
  held_ = 0;
  tick_ = ticks_.first();
}

void Stream::restore_curve(std::size_t channel) noexcept {
  curves_[channel] = {1.0f, 0.0f, manifest_.minimum[channel], manifest_.maximum[channel]};
}

fp_status Stream::pull(std::int64_t* frame, float* values, const char** reason) noexcept {
  const std::size_t channels = manifest_.names.size();
  const std::size_t wanted = settings_.ensemble ? 3 : 1;
  for (; held_ < wanted; ++held_, ++tick_) {
    float* const to = predictions_.data() + held_ * channels;
    const fp_status status = std::visit([&](auto& v) { return v.predict(tick_, audio_, to, reason); }, voice_);
    if (status != FP_OK) return status;
  }
  float* const made = predictions_.data();
  if (settings_.ensemble) {
    const auto& w = settings_.weights;
    for (std::size_t i = 0; i < channels; ++i)  // the third stays as it is: it is the first of the next frame
      made[i] = static_cast<float>(w[0] * made[i] + w[1] * made[i + channels] + w[2] * made[i + 2 * channels]);
  }
  shape(made, values);
  if (settings_.ensemble) std::memcpy(made, made + 2 * channels, channels * sizeof(float));
  held_ = settings_.ensemble ? 1 : 0;
  *frame = frame_++;
  return FP_OK;
}

void Stream::shape(const float* from, float* to) const noexcept {
  for (std::size_t i = 0; i < curves_.size(); ++i) {
    const Curve& curve = curves_[i];
    const float value = std::min(std::max(from[i], manifest_.minimum[i]), manifest_.maximum[i]);
    to[i] = std::min(std::max(curve.gain * value + curve.offset, curve.minimum), curve.maximum);
  }
}

}  // namespace fp
