// frame_stream.hpp: the C header for C++17, with owners that clean up and failures that throw.
//
//     frame_stream::Model model("model.pte");
//     frame_stream::Stream voice(model, 48000);
//     voice.push(samples, count, [&](const frame_stream::Frame& frame) { face.set(frame.values); });
//     voice.finish([&](const frame_stream::Frame& frame) { ... });
//
// Many voices of a stream student: feed each, run the crowd once, drain each.
//
// Everything here is inline, so the library underneath keeps its C ABI. Threads and heap: as frame_stream.h says; the
// callbacks run inside the call, on the caller's thread.
#ifndef FRAME_STREAM_HPP
#define FRAME_STREAM_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "frame_stream.h"

namespace frame_stream {

// A failed call: its status, and what, why and what to do.
class Error : public std::runtime_error {
 public:
  Error(fp_status status, const char* message) : std::runtime_error(message), status_(status) {}
  fp_status status() const noexcept { return status_; }

 private:
  fp_status status_;
};

namespace detail {
// The status if it is no failure; throws Error otherwise.
template <class Call>
fp_status check(Call&& call) {
  fp_error error;
  error.message[0] = '\0';
  const fp_status status = call(&error);
  if (status < 0) throw Error(status, error.message[0] ? error.message : fp_status_string(status));
  return status;
}

// A number of digits and at most one point, whatever the host's locale takes for one; below 0 for anything else.
inline double read_decimal(const std::string& text) {
  double digits = 0, below = 0;
  for (const char sign : text) {
    if (sign == '.' && below == 0) below = 1;
    else if (sign < '0' || sign > '9') return -1;
    else digits = digits * 10 + (sign - '0'), below *= 10;
  }
  return below > 0 ? digits / below : digits;
}
}  // namespace detail

// A frame rate as people write it into `config`: "30", "30000/1001" or "29.97", by which film and television mean a
// 1001th of what they round; from 1 to 240 a second. False, and nothing changed, for what is none of these: a rate of 0
// in `config` would mean the artefact's own.
inline bool read_rate(const std::string& text, fp_stream_config* config) {
  unsigned n = 0, m = 1;
  int used = 0;
  const std::size_t below = text.find('/') + 1;  // 0 where there is none
  for (const std::size_t at : {std::size_t{0}, below})  // both readers take signs and spaces, and -1 for the greatest
    if (at >= text.size() || text[at] < '0' || text[at] > '9') return false;
  const int read = std::sscanf(text.c_str(), "%9u%n/%9u%n", &n, &used, &m, &used);
  if (read < 1 || static_cast<std::size_t>(used) != text.size()) {
    const double rate = detail::read_decimal(text);
    if (!(rate >= 1 && rate <= 240)) return false;
    const auto nominal = static_cast<unsigned>(rate + 0.5);
    const double ntsc = nominal * 1000.0 / 1001;
    const bool television = rate < nominal && rate > ntsc - 0.006 && rate < ntsc + 0.006;
    n = television ? nominal * 1000 : static_cast<unsigned>(rate * 1000 + 0.5);
    m = television ? 1001 : 1000;
  }
  if (n < m || n > 240 * std::uint64_t{m} || m == 0) return false;
  config->fps_numerator = n, config->fps_denominator = m;
  return true;
}

// A loaded artefact. Copies share it.
class Model {
 public:
  explicit Model(const std::string& path) {
    open([&](fp_model** out, fp_error* error) { return fp_model_open(path.c_str(), out, error); });
  }
  // Only if it is signed by the owner of the public key `key`: path + ".sig" says so.
  Model(const std::string& path, const std::array<std::uint8_t, 32>& key) {
    open([&](fp_model** out, fp_error* error) { return fp_model_open_signed(path.c_str(), key.data(), out, error); });
  }
  Model(const void* data, std::size_t size_bytes) {
    open([&](fp_model** out, fp_error* error) { return fp_model_open_memory(data, size_bytes, out, error); });
  }

  fp_model_info info() const {
    fp_model_info info{};
    info.struct_size = sizeof info;
    detail::check([&](fp_error* error) { return fp_model_get_info(handle(), &info, error); });
    return info;
  }
  std::vector<std::string> channel_names() const {
    std::vector<std::string> names;
    while (const char* name = fp_model_channel_name(handle(), static_cast<std::uint32_t>(names.size())))
      names.emplace_back(name);
    return names;
  }
  // Of an artefact with styles; none of most.
  std::vector<std::string> style_names() const {
    std::vector<std::string> names;
    while (const char* name = fp_model_style_name(handle(), static_cast<std::uint32_t>(names.size())))
      names.emplace_back(name);
    return names;
  }
  fp_model* handle() const noexcept { return handle_.get(); }

 private:
  template <class Open>
  void open(Open&& call) {
    if (fp_abi_version() != FP_ABI_VERSION) throw Error(FP_UNSUPPORTED, "libframe_stream has another ABI version");
    fp_model* raw = nullptr;
    detail::check([&](fp_error* error) { return call(&raw, error); });
    handle_.reset(raw, fp_model_close);
  }
  std::shared_ptr<fp_model> handle_;
};

// One animation frame. `values` is overwritten by the next frame.
struct Frame {
  std::int64_t index;
  std::int64_t sample;
  const std::vector<float>& values;
};

// One voice.
class Stream {
 public:
  Stream(const Model& model, std::uint32_t rate_hz, std::uint32_t ensemble = FP_ENSEMBLE_AS_MODEL)
      : Stream(model, config_for(rate_hz, ensemble)) {}
  Stream(const Model& model, const fp_stream_config& config) : values_(model.info().channels) {
    fp_stream* raw = nullptr;
    detail::check([&](fp_error* error) { return fp_stream_create(model.handle(), &config, &raw, error); });
    handle_.reset(raw);
    channels_ = config.audio_channels ? config.audio_channels : 1;
  }

  // Take `count` samples of each audio channel in and give every frame that falls due to `use(frame)`.
  template <class Use>
  void push(const float* samples, std::size_t count, Use&& use) {
    push_all(samples, count, use);
  }
  template <class Use>
  void push(const std::int16_t* samples, std::size_t count, Use&& use) {
    push_all(samples, count, use);
  }

  // End the take and give the last frames to `use(frame)`.
  template <class Use>
  void finish(Use&& use) {
    detail::check([&](fp_error* error) { return fp_stream_finish(handle(), error); });
    drain(use);
  }

  // Only take in: up to `count` samples of each audio channel, as many as there is room for; returns how many.
  std::size_t feed(const float* samples, std::size_t count) { return feed(fp_stream_push_f32, samples, count); }
  std::size_t feed(const std::int16_t* samples, std::size_t count) { return feed(fp_stream_push_i16, samples, count); }

  // Only take out: give every frame that is due to `use(frame)`.
  template <class Use>
  void drain(Use&& use) {
    fp_frame frame{};
    frame.struct_size = sizeof frame;
    const auto pull = [&](fp_error* error) {
      return fp_stream_pull(handle(), &frame, values_.data(), static_cast<std::uint32_t>(values_.size()), error);
    };
    while (detail::check(pull) == FP_OK) use(Frame{frame.index, frame.sample, values_});
  }

  void reset() {
    detail::check([&](fp_error* error) { return fp_stream_reset(handle(), error); });
  }

  // From now on `channel` is limit(gain * value + offset, minimum, maximum); without a curve, as the model gives it.
  void set_curve(std::uint32_t channel, float gain, float offset, float minimum, float maximum) {
    const fp_curve curve{sizeof curve, gain, offset, minimum, maximum};
    detail::check([&](fp_error* error) { return fp_stream_set_curve(handle(), channel, &curve, error); });
  }
  void set_curve(std::uint32_t channel) {
    detail::check([&](fp_error* error) { return fp_stream_set_curve(handle(), channel, nullptr, error); });
  }

  // From the next hop on, speak so: a strength for each of the model's style_names().
  void set_style(const std::vector<float>& strengths) {
    const auto count = static_cast<std::uint32_t>(strengths.size());
    detail::check([&](fp_error* error) { return fp_stream_set_style(handle(), strengths.data(), count, error); });
  }

  fp_latency latency(std::uint32_t chunk_samples = 1) const {
    fp_latency latency{};
    latency.struct_size = sizeof latency;
    detail::check([&](fp_error* e) { return fp_stream_latency_samples(handle(), chunk_samples, &latency, e); });
    return latency;
  }

  fp_stream* handle() const noexcept { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(fp_stream* stream) const noexcept { fp_stream_destroy(stream); }
  };

  static fp_stream_config config_for(std::uint32_t rate_hz, std::uint32_t ensemble) {
    fp_stream_config config{};
    config.struct_size = sizeof config;
    config.sample_rate_hz = rate_hz;
    config.ensemble = ensemble;
    return config;
  }

  template <class Call, class Sample>
  std::size_t feed(Call&& call, const Sample* samples, std::size_t count) {
    std::size_t taken = 0;
    detail::check([&](fp_error* error) { return call(handle(), samples, count, &taken, error); });
    return taken;
  }

  template <class Sample, class Use>
  void push_all(const Sample* samples, std::size_t count, Use&& use) {
    while (count) {
      const std::size_t taken = feed(samples, count);
      samples += taken * channels_;
      count -= taken;
      drain(use);
    }
  }

  std::unique_ptr<fp_stream, Destroy> handle_;
  std::vector<float> values_;
  std::size_t channels_ = 1;
};

// Runs the hops of many streams of one model together.
class Crowd {
 public:
  explicit Crowd(const Model& model) {
    fp_crowd* raw = nullptr;
    detail::check([&](fp_error* error) { return fp_crowd_create(model.handle(), &raw, error); });
    handle_.reset(raw);
  }

  // Run every hop that is due; returns how many. `streams`: their handles.
  std::size_t run(fp_stream* const* streams, std::size_t count) {
    std::size_t hops = 0;
    detail::check([&](fp_error* error) { return fp_crowd_run(handle(), streams, count, &hops, error); });
    return hops;
  }

  fp_crowd* handle() const noexcept { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(fp_crowd* crowd) const noexcept { fp_crowd_destroy(crowd); }
  };
  std::unique_ptr<fp_crowd, Destroy> handle_;
};

}  // namespace frame_stream
#endif
