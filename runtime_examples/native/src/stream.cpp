#include "stream.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fp {
namespace {

constexpr std::size_t kSlackSamples = 2048;  // the history moves to the front of its memory once in so many samples
constexpr float kLoudest = 100.0f;           // 40 dB over full scale: only integers written as floats get here

float to_float(float sample) { return sample; }
float to_float(std::int16_t sample) { return static_cast<float>(sample) / 32768.0f; }

}  // namespace

Stream::Stream(const Manifest& manifest, Engine& engine, std::shared_ptr<const FilterBank> bank,
               const StreamSettings& settings)
    : manifest_(manifest), engine_(engine), bank_(std::move(bank)), settings_(settings),
      ticks_(settings.ensemble ? settings.clock.doubled() : settings.clock),
      past_(std::int64_t{manifest_.window_samples} - manifest_.future_samples),
      // a frame waits at least for the sample it sits on, so frames exist where audio does
      wait_(std::max<std::int64_t>(manifest_.future_samples, 1)), ring_(settings.buffer_samples), resampler_(bank_),
      history_(manifest_.window_samples + kSlackSamples), predictions_(3 * manifest_.names.size()),
      curves_(manifest_.names.size()) {
  for (std::size_t channel = 0; channel < curves_.size(); ++channel) restore_curve(channel);
  reset();
}

void Stream::reset() noexcept {
  ring_.reset();
  finished_ = false;
  resampler_.reset();
  frame_ = 0;
  held_ = 0;
  tick_ = settings_.ensemble ? -1 : 0;
  base_ = ticks_.sample(tick_) - past_;
  count_ = 0;
}

void Stream::restore_curve(std::size_t channel) noexcept {
  curves_[channel] = {1.0f, 0.0f, manifest_.minimum[channel], manifest_.maximum[channel]};
}

template <class Sample>
fp_status Stream::push(const Sample* samples, std::size_t count, std::size_t* taken) noexcept {
  *taken = 0;
  if (finished_) return FP_FINISHED;
  const std::size_t fits = std::min(count, ring_.room()), channels = settings_.audio_channels;
  bool usable = true;
  for (std::size_t done = 0, run = 0; done < fits; done += run) {
    float* const to = ring_.places(done, &run);
    run = std::min(run, fits - done);
    for (std::size_t i = 0; i < run; ++i, samples += channels) {
      float sum = 0;
      for (std::size_t c = 0; c < channels; ++c) {
        const float value = to_float(samples[c]);
        usable &= std::fabs(value) <= kLoudest;  // NaN is not
        sum += value;
      }
      to[i] = channels == 1 ? sum : sum / static_cast<float>(channels);
    }
  }
  if (!usable) return FP_BAD_AUDIO;
  ring_.publish(fits);
  *taken = fits;
  return fits == count ? FP_OK : FP_AGAIN;
}

template fp_status Stream::push(const float*, std::size_t, std::size_t*) noexcept;
template fp_status Stream::push(const std::int16_t*, std::size_t, std::size_t*) noexcept;

// Bring the history up to 16 kHz sample `due`, exclusive: silence before sample 0, then what was pushed, then silence
// for as long as frames are missing. FP_OK, or FP_AGAIN if that audio has not come yet, or FP_END if it never will.
fp_status Stream::receive_until(std::int64_t due) noexcept {
  const std::int64_t needed = ticks_.sample(tick_) - past_;
  for (std::int64_t end; (end = base_ + static_cast<std::int64_t>(count_)) < due;) {
    if (count_ == history_.size()) {
      const auto drop = static_cast<std::size_t>(std::clamp<std::int64_t>(needed - base_, 0, end - base_));
      std::memmove(history_.data(), history_.data() + drop, (count_ - drop) * sizeof(float));
      base_ += static_cast<std::int64_t>(drop);
      count_ -= drop;
    }
    float* const to = history_.data() + count_;
    const std::int64_t wanted = end < 0 ? std::min(due, std::int64_t{0}) - end : due - end;
    const std::size_t most = std::min(static_cast<std::size_t>(wanted), history_.size() - count_);
    std::size_t made = end < 0 ? 0 : resampler_.make(ring_, to, most);
    if (!made) {
      if (end >= 0) {
        if (!resampler_.exhausted(ring_)) return FP_AGAIN;
        if (frame_ >= settings_.clock.frames_before(resampler_.produced())) return FP_END;
      }
      std::fill_n(to, most, 0.0f);
      made = most;
    }
    count_ += made;
  }
  return FP_OK;
}

fp_status Stream::pull(std::int64_t* frame, float* values, const char** reason) noexcept {
  const std::size_t channels = manifest_.names.size();
  const std::size_t wanted = settings_.ensemble ? 3 : 1;
  while (held_ < wanted) {
    const std::int64_t sample = ticks_.sample(tick_);
    fp_status status = receive_until(sample + wait_);
    if (status != FP_OK) return status;
    const float* const window = history_.data() + (sample - past_ - base_);
    status = engine_.run(window, predictions_.data() + held_ * channels, reason);
    if (status != FP_OK) return status;
    ++tick_;
    ++held_;
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
