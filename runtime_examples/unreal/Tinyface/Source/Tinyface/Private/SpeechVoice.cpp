#include "SpeechVoice.h"

#include <algorithm>

namespace tinyface {

bool Model::open(const std::string& path, std::string& error) {
  close();
  if (fp_abi_version() != FP_ABI_VERSION) {
    error = "libframe_stream has another ABI version than this plugin was built for: take both from one release";
    return false;
  }
  fp_error failure{};
  fp_model_info info{};
  info.struct_size = sizeof info;
  if (fp_model_open(path.c_str(), &model_, &failure) < 0 || fp_model_get_info(model_, &info, &failure) < 0) {
    error = failure.message;
    close();
    return false;
  }
  for (std::uint32_t i = 0; i < info.channels; ++i) channels_.emplace_back(fp_model_channel_name(model_, i));
  frame_seconds_ = double(info.fps_denominator) / info.fps_numerator;
  return true;
}

void Model::close() {
  fp_model_close(model_);
  model_ = nullptr;
  channels_.clear();
}

bool Voice::open(const Model& model, std::uint32_t rate_hz, std::uint32_t audio_channels, std::uint32_t block_samples,
                 std::string& error) {
  close();
  fp_error failure{};
  fp_stream_config config{};
  config.struct_size = sizeof config;
  config.sample_rate_hz = rate_hz;
  config.audio_channels = audio_channels;
  config.buffer_samples = 2 * rate_hz;  // the pulling thread may hang a while
  fp_latency latency{};
  latency.struct_size = sizeof latency;
  if (fp_stream_create(model.handle(), &config, &stream_, &failure) < 0 ||
      fp_stream_latency_samples(stream_, block_samples, &latency, &failure) < 0) {
    error = failure.message;
    close();
    return false;
  }
  rate_hz_ = rate_hz;
  channels_ = static_cast<std::uint32_t>(model.channels().size());
  latency_seconds_ = latency.total_samples / 16000.0;
  queue_.assign(kQueueFrames * std::size_t{channels_}, 0.0f);
  pulled_.assign(channels_, 0.0f);
  face_.assign(channels_, 0.0f);
  count_ = 0;
  heard_ = 0;
  trouble_ = Trouble::kNone;
  return true;
}

void Voice::close() {
  fp_stream_destroy(stream_);
  stream_ = nullptr;
}

bool Voice::push(const float* samples, std::size_t count) noexcept {
  if (!stream_ || trouble_.load(std::memory_order_relaxed) != Trouble::kNone) return false;
  std::size_t taken = 0;
  const fp_status status = fp_stream_push_f32(stream_, samples, count, &taken, nullptr);
  heard_.fetch_add(static_cast<std::int64_t>(taken), std::memory_order_release);
  if (status == FP_OK) return true;
  trouble_ = status == FP_AGAIN ? Trouble::kOverrun : Trouble::kBadAudio;
  return false;
}

bool Voice::update(std::string& error) {
  if (!stream_) {
    error = "no take is open";
    return false;
  }
  fp_error failure{};
  fp_frame frame{};
  frame.struct_size = sizeof frame;
  fp_status status;
  while ((status = fp_stream_pull(stream_, &frame, pulled_.data(), channels_, &failure)) == FP_OK) {
    const std::int64_t slot = count_++ % kQueueFrames;
    samples_[slot] = frame.sample;
    std::copy(pulled_.begin(), pulled_.end(), queue_.begin() + slot * channels_);
  }
  const Trouble trouble = trouble_;
  if (status < 0) error = failure.message;
  else if (trouble == Trouble::kOverrun) error = "nobody pulled for two seconds: the take is lost, open again";
  else if (trouble == Trouble::kBadAudio) error = "the audio held NaN, infinity or values far beyond -1..1: open again";
  else return true;
  return false;
}

const float* Voice::face(double delay_seconds) {
  if (!count_) return nullptr;
  const double now = (heard_.load(std::memory_order_acquire) / double(rate_hz_) - delay_seconds) * 16000;
  const std::int64_t oldest = std::max<std::int64_t>(0, count_ - kQueueFrames);
  std::int64_t later = count_ - 1;
  while (later > oldest && samples_[(later - 1) % kQueueFrames] >= now) --later;
  const std::int64_t earlier = std::max(later - 1, oldest);
  const double from = double(samples_[earlier % kQueueFrames]), to = double(samples_[later % kQueueFrames]);
  const float share = to > from ? static_cast<float>(std::clamp((now - from) / (to - from), 0.0, 1.0)) : 1.0f;
  const float *start = values(earlier), *end = values(later);
  for (std::uint32_t i = 0; i < channels_; ++i) face_[i] = start[i] + share * (end[i] - start[i]);
  return face_.data();
}

}  // namespace tinyface
