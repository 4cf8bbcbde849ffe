#include "SpeechVoice.h"

namespace tinyface {

std::string live_link_name(std::string channel) {
  if (!channel.empty() && channel[0] >= 'a' && channel[0] <= 'z') channel[0] = static_cast<char>(channel[0] - 'a' + 'A');
  return channel;
}

bool Model::open(const void* bytes, std::size_t count, std::string& error) {
  close();
  if (fp_abi_version() != FP_ABI_VERSION) {
    error = "libframe_stream has another ABI version than this plugin was built for: take both from one release";
    return false;
  }
  fp_error failure{};
  fp_model_info info{};
  info.struct_size = sizeof info;
  if (fp_model_open_memory(bytes, count, &model_, &failure) < 0 || fp_model_get_info(model_, &info, &failure) < 0) {
    error = failure.message;
    close();
    return false;
  }
  neutral_.resize(info.channels);
  for (std::uint32_t i = 0; i < info.channels; ++i) {
    float least = 0, most = 0;
    channels_.emplace_back(fp_model_channel_name(model_, i));
    fp_model_channel_range(model_, i, &least, &most, &neutral_[i], nullptr);
  }
  return true;
}

void Model::close() {
  if (model_) fp_model_close(model_);  // what never opened calls nothing: the library may not be there
  model_ = nullptr;
  channels_.clear();
  neutral_.clear();
}

bool Voice::open(const Model& model, std::uint32_t rate_hz, std::uint32_t audio_channels, std::uint32_t block_samples,
                 std::string& error) {
  close();
  fp_error failure{};
  fp_stream_config config{};
  config.struct_size = sizeof config;
  config.sample_rate_hz = rate_hz;
  config.audio_channels = audio_channels;
  config.buffer_samples = 2 * rate_hz;  // the drawing thread may hang a while
  fp_track_config track{};
  track.struct_size = sizeof track;
  track.block_samples = block_samples;
  if (fp_track_create(model.handle(), &config, &track, &track_, &failure) < 0) {
    error = failure.message;
    return false;
  }
  face_.assign(model.channels().size(), 0.0f);
  trouble_ = FP_OK;
  return true;
}

void Voice::close() {
  if (track_) fp_track_destroy(track_);
  track_ = nullptr;
}

bool Voice::push(const float* samples, std::size_t count, double now_seconds) noexcept {
  if (!track_) return false;
  const fp_status status = fp_track_push_f32(track_, samples, count, now_seconds, nullptr);
  if (status == FP_OK) return true;
  trouble_ = status;
  return false;
}

const float* Voice::face(double now_seconds, std::string& error) {
  if (!track_) return nullptr;
  fp_error failure{};
  const auto channels = static_cast<std::uint32_t>(face_.size());
  const bool failed = fp_track_pull(track_, now_seconds, face_.data(), channels, &failure) < 0;
  const fp_status trouble = trouble_.exchange(FP_OK);
  if (failed) error = failure.message;
  else if (trouble == FP_AGAIN) error = "nobody drew for two seconds, and the sound of that while is lost";
  else if (trouble != FP_OK) error = "the audio held NaN, infinity or values far beyond -1..1, and was left out";
  return face_.data();
}

}  // namespace tinyface
