#include "voices/stream_voice.h"

#include <algorithm>

namespace fp {
namespace {

constexpr std::int64_t kLineHops = 2;     // both ends of the line
constexpr std::int64_t kPartialHops = 2;  // a hop that was begun before the buffer, and one that ends behind it

}  // namespace

StreamVoice::StreamVoice(const Manifest& manifest, StreamEngine& engine, const Ticks& ticks,
                         std::int64_t buffer_samples)
    : engine_(engine), ticks_(ticks), timing_(manifest.timing()), channels_(manifest.names.size()), state_(manifest, 1),
      hop_(manifest.window_samples * sizeof(float)),
      kept_(buffer_samples / timing_.hop_samples + kLineHops + kPartialHops),
      values_(static_cast<std::size_t>(kept_) * channels_), style_(manifest.styles.size()) {}

void StreamVoice::dress(const float* style) noexcept {
  if (style_.empty()) return;
  std::copy_n(style, style_.size(), style_.begin());
  std::copy_n(style, style_.size(), state_.of(state_.tensors() - 1));
}

void StreamVoice::reset() noexcept {
  state_.clear();
  dress(style_.data());
  filled_ = 0;
  made_ = used_ = 0;
}

fp_status StreamVoice::fill(Audio& audio) noexcept {
  const auto hop_samples = static_cast<std::size_t>(timing_.hop_samples);
  if (made_ - used_ + kLineHops >= kept_) return FP_AGAIN;
  while (filled_ < hop_samples) {
    const std::size_t made = audio.next(hop() + filled_, hop_samples - filled_);
    filled_ += made;
    if (made) continue;
    if (!audio.ended()) return FP_AGAIN;
    const std::int64_t last = ticks_.last(audio.samples());
    if (last < ticks_.first() || made_ >= timing_.hops_until(ticks_.sample(last))) return FP_END;
    std::fill_n(hop() + filled_, hop_samples - filled_, 0.0f);
    filled_ = hop_samples;
  }
  return FP_OK;
}

fp_status StreamVoice::run(const char** reason) noexcept {
  const fp_status status = engine_.step(hop(), state_, values(), reason);
  if (status == FP_OK) advance();
  return status;
}

fp_status StreamVoice::predict(std::int64_t tick, Audio& audio, float* values, const char** reason) noexcept {
  if (audio.ended() && tick > ticks_.last(audio.samples())) return FP_END;
  const std::int64_t sample = ticks_.sample(tick), wanted = timing_.hops_until(sample);
  for (; used_ < wanted; ++used_) {
    if (used_ < made_) continue;
    fp_status status = fill(audio);
    if (status == FP_OK) status = run(reason);
    if (status != FP_OK) return status;
  }
  const float* const right = values_of(used_ - 1);
  const float* const left = used_ > 1 ? values_of(used_ - 2) : right;  // before the first instant: the first values
  const double behind = static_cast<double>(timing_.instant(used_ - 1) - sample);
  const double share = std::clamp(1.0 - behind / static_cast<double>(timing_.hop_samples), 0.0, 1.0);
  for (std::size_t i = 0; i < channels_; ++i)
    values[i] = static_cast<float>((1.0 - share) * double{left[i]} + share * double{right[i]});
  return FP_OK;
}

}  // namespace fp
