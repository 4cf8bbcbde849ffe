// What the test programs share: stop on a failure, noise, a voice of a model.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "frame_stream.h"
#include "sounds.h"

namespace tool {

[[noreturn]] inline void stop(const char* what, fp_status status = 0, const char* message = "") {
  std::fprintf(stderr, "%s: %s %s\n", what, fp_status_string(status), message);
  std::exit(1);
}

// Runs `call(&error)`; a negative status ends the program.
template <class Call>
fp_status must(const char* what, Call&& call) {
  fp_error error{};
  const fp_status status = call(&error);
  if (status < 0) stop(what, status, error.message);
  return status;
}

inline void expect(bool holds, const char* what) {
  if (!holds) stop(what);
}

inline fp_model* open(const char* path) {
  fp_model* model = nullptr;
  must("open", [&](fp_error* error) { return fp_model_open(path, &model, error); });
  return model;
}

inline fp_model_info info(const fp_model* model) {
  fp_model_info info{};
  info.struct_size = sizeof info;
  must("info", [&](fp_error* error) { return fp_model_get_info(model, &info, error); });
  return info;
}

inline std::uint32_t channels(const fp_model* model) { return info(model).channels; }

inline fp_stream* create(const fp_model* model, std::uint32_t rate_hz, std::uint32_t ensemble = FP_ENSEMBLE_OFF,
                         std::uint32_t fps_numerator = 0, std::uint32_t fps_denominator = 0) {
  fp_stream_config config{};
  config.struct_size = sizeof config;
  config.sample_rate_hz = rate_hz;
  config.ensemble = ensemble;
  config.fps_numerator = fps_numerator;
  config.fps_denominator = fps_denominator;
  fp_stream* stream = nullptr;
  must("create", [&](fp_error* error) { return fp_stream_create(model, &config, &stream, error); });
  return stream;
}

inline fp_crowd* create_crowd(const fp_model* model) {
  fp_crowd* crowd = nullptr;
  must("create", [&](fp_error* error) { return fp_crowd_create(model, &crowd, error); });
  return crowd;
}

// Pull into `values`; FP_OK, FP_AGAIN or FP_END.
inline fp_status pull(fp_stream* stream, std::vector<float>& values, fp_frame& frame) {
  frame.struct_size = sizeof frame;
  const auto count = static_cast<std::uint32_t>(values.size());
  return must("pull", [&](fp_error* error) { return fp_stream_pull(stream, &frame, values.data(), count, error); });
}

// All frames of `samples` of a voice, pushed in chunks of `chunk`, one after another.
inline std::vector<float> animate(fp_stream* stream, std::uint32_t rate_hz, std::uint32_t channel_count,
                                  std::size_t samples, std::size_t chunk) {
  std::vector<float> all, values(channel_count);
  fp_frame frame{};
  const auto drain = [&] {
    fp_status status;
    while ((status = pull(stream, values, frame)) == FP_OK) all.insert(all.end(), values.begin(), values.end());
    return status;
  };
  for (std::size_t at = 0; at < samples;) {
    const auto audio = voice_from(at, chunk < samples - at ? chunk : samples - at, rate_hz);
    std::size_t taken = 0;
    must("push", [&](fp_error* e) { return fp_stream_push_i16(stream, audio.data(), audio.size(), &taken, e); });
    at += taken;
    drain();
  }
  must("finish", [&](fp_error* error) { return fp_stream_finish(stream, error); });
  expect(drain() == FP_END, "a finished take ends");
  return all;
}

}  // namespace tool
