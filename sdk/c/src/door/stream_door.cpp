// The C functions that begin with fp_stream_.
#include <cmath>

#include "door/door.h"
#include "voices/handles.h"
#include "sound/latency.h"
#include "door/settings.h"

using namespace fp;

namespace {

constexpr std::size_t kFrameV1 = offsetof(fp_frame, sample) + sizeof(int64_t);
constexpr std::size_t kCurveV1 = offsetof(fp_curve, maximum) + sizeof(float);
constexpr std::size_t kLatencyV1 = offsetof(fp_latency, total_samples) + sizeof(uint32_t);

constexpr std::int64_t kLongestChunkSamples = std::int64_t{1} << 30;

template <class Sample>
fp_status push(fp_stream* stream, const Sample* samples, size_t count, size_t* taken, fp_error* error) noexcept {
  if (const fp_status status = check_handle(stream, "stream", error)) return status;
  if (!taken) return null(error, "taken");
  if (!samples && count) return null(error, "samples");
  const fp_status status = stream->stream.audio().push(samples, count, taken);
  if (status == FP_FINISHED)
    return fail(error, status, "the take is finished; call fp_stream_reset before pushing new audio");
  if (status == FP_BAD_AUDIO)
    return fail(error, status, "samples hold NaN, infinity or values far beyond -1..1: divide integers by full scale");
  return status;
}

}  // namespace

fp_status fp_stream_create(const fp_model* model, const fp_stream_config* config, fp_stream** stream, fp_error* error) {
  if (!stream) return null(error, "stream");
  *stream = nullptr;
  if (const fp_status status = check_handle(model, "model", error)) return status;
  if (!config) return null(error, "config");
  fp_stream_config known;
  if (const fp_status status = read_struct(config, &known, kStreamConfigV1, error)) return status;
  return guarded(error, [&] {
    StreamSettings settings;
    Failure failure = read_settings(known, model->model->manifest(), &settings);
    if (!failure) *stream = make_owned<fp_stream>(model->model, known.sample_rate_hz, settings).release();
    return failure;
  });
}

void fp_stream_destroy(fp_stream* stream) { Give<fp_stream>()(stream); }

fp_status fp_stream_push_f32(fp_stream* stream, const float* samples, size_t count, size_t* taken, fp_error* error) {
  return push(stream, samples, count, taken, error);
}

fp_status fp_stream_push_i16(fp_stream* stream, const int16_t* samples, size_t count, size_t* taken, fp_error* error) {
  return push(stream, samples, count, taken, error);
}

fp_status fp_stream_pull(fp_stream* stream, fp_frame* frame, float* values, uint32_t channels, fp_error* error) {
  if (const fp_status status = check_handle(stream, "stream", error)) return status;
  if (!frame) return null(error, "frame");
  if (!values) return null(error, "values");
  Stream& voice = stream->stream;
  if (channels != voice.manifest().channels())
    return fail(error, FP_BAD_ARGUMENT, "channels is %u, this rig has %u", channels, voice.manifest().channels());
  if (const fp_status status = check_struct(frame, kFrameV1, error)) return status;
  fp_frame out{};
  const char* reason = "";
  const fp_status status = voice.pull(&out.index, values, &reason);
  if (status < 0) return fail(error, status, "%s", reason);
  if (status != FP_OK) return status;
  out.sample = voice.settings().clock.sample(out.index);
  write_struct(frame, out);
  return FP_OK;
}

fp_status fp_stream_finish(fp_stream* stream, fp_error* error) {
  if (const fp_status status = check_handle(stream, "stream", error)) return status;
  stream->stream.audio().finish();
  return FP_OK;
}

fp_status fp_stream_reset(fp_stream* stream, fp_error* error) {
  if (const fp_status status = check_handle(stream, "stream", error)) return status;
  stream->stream.reset();
  return FP_OK;
}

fp_status fp_stream_set_curve(fp_stream* stream, uint32_t channel, const fp_curve* curve, fp_error* error) {
  if (const fp_status status = check_handle(stream, "stream", error)) return status;
  const std::uint32_t count = stream->stream.manifest().channels();
  if (channel >= count) return fail(error, FP_BAD_ARGUMENT, "channel %u: this rig has %u", channel, count);
  if (!curve) {
    stream->stream.restore_curve(channel);
    return FP_OK;
  }
  fp_curve known;
  if (const fp_status status = read_struct(curve, &known, kCurveV1, error)) return status;
  const bool finite = std::isfinite(known.gain) && std::isfinite(known.offset) && std::isfinite(known.minimum) &&
                      std::isfinite(known.maximum);
  if (!finite || known.minimum > known.maximum)
    return fail(error, FP_BAD_ARGUMENT, "a curve needs finite numbers and minimum <= maximum");
  stream->stream.set_curve(channel, {known.gain, known.offset, known.minimum, known.maximum});
  return FP_OK;
}

fp_status fp_stream_set_style(fp_stream* stream, const float* strengths, uint32_t count, fp_error* error) {
  if (const fp_status status = check_handle(stream, "stream", error)) return status;
  if (const fp_status status = check_style(stream->stream.manifest(), strengths, count, error)) return status;
  stream->stream.hops()->dress(strengths);
  return FP_OK;
}

fp_status fp_stream_latency_samples(const fp_stream* stream, uint32_t chunk_samples, fp_latency* latency,
                                    fp_error* error) {
  if (const fp_status status = check_handle(stream, "stream", error)) return status;
  if (!latency) return null(error, "latency");
  if (chunk_samples < 1 || chunk_samples > kLongestChunkSamples)
    return fail(error, FP_BAD_ARGUMENT, "chunks of %u samples never arrive: give 1 or more", chunk_samples);
  if (const fp_status status = check_struct(latency, kLatencyV1, error)) return status;
  const Stream& voice = stream->stream;
  const Latency found = latency_of(voice.settings().clock, voice.manifest().timing(), voice.settings().ensemble,
                                   voice.audio().rate_hz(), chunk_samples);
  fp_latency out{};
  out.future_samples = static_cast<uint32_t>(found.future);
  out.ensemble_samples = static_cast<uint32_t>(found.ensemble);
  out.resampler_samples = static_cast<uint32_t>(found.resampler);
  out.block_samples = static_cast<uint32_t>(found.block);
  out.total_samples = static_cast<uint32_t>(found.total);
  out.grid_samples = static_cast<uint32_t>(found.grid);
  write_struct(latency, out);
  return FP_OK;
}
