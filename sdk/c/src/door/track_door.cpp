// The C functions that begin with fp_track_.
#include <algorithm>
#include <cmath>

#include "door/door.h"
#include "voices/handles.h"
#include "sound/latency.h"
#include "door/settings.h"

using namespace fp;

namespace {

constexpr std::size_t kConfigV1 = offsetof(fp_track_config, ease_s) + sizeof(float);
constexpr std::uint32_t kBlock = 1024, kLongestBlock = 1 << 20;
constexpr double kPause_s = 0.08, kEase_s = 0.12, kLongest_s = 10;
constexpr double kMargin_s = 0.005;  // a tick is not on time to the millisecond
constexpr double kSpare_s = 0.25;    // blocks and pictures are not on time either

Failure read_track(const fp_track_config& config, const Manifest& manifest, std::int64_t rate_hz,
                   StreamSettings* stream, TrackSettings* track) {
  const bool sane = config.pause_s >= 0 && config.pause_s <= kLongest_s && config.ease_s >= 0 &&
                    config.ease_s <= kLongest_s && config.block_samples <= kLongestBlock;
  if (!sane) return {FP_BAD_ARGUMENT, "pause_s and ease_s: give 0 to 10 s; block_samples: at most 1048576"};
  const std::int64_t block = config.block_samples ? config.block_samples : kBlock;
  const FrameClock& clock = stream->clock;
  const Latency latency = latency_of(clock, manifest.timing(), stream->ensemble, rate_hz, block);
  const double frame_s = static_cast<double>(clock.denominator()) / static_cast<double>(clock.numerator());
  // until the next block is due nobody can tell that it stays away
  const double block_s = static_cast<double>(block) / static_cast<double>(rate_hz);
  track->pause_s = block_s + (config.pause_s > 0 ? double{config.pause_s} : kPause_s);
  track->ease_s = config.ease_s > 0 ? double{config.ease_s} : kEase_s;
  track->delay_s = static_cast<double>(latency.total) / kSampleRateHz + frame_s + kMargin_s;
  // a take that waits for its turn is not pulled until its first sound is to be seen, and loses nothing meanwhile
  const auto waiting = static_cast<std::size_t>(std::ceil((track->delay_s + kSpare_s) * static_cast<double>(rate_hz)));
  stream->buffer_samples = std::max(stream->buffer_samples, waiting);
  return {};
}

template <class Sample>
fp_status push(fp_track* track, const Sample* samples, size_t count, double now_s, fp_error* error) noexcept {
  if (const fp_status status = check_handle(track, "track", error)) return status;
  if (!samples && count) return null(error, "samples");
  if (!std::isfinite(now_s)) return fail(error, FP_BAD_ARGUMENT, "now_s is no time: give seconds of a steady clock");
  std::size_t taken = 0;
  const fp_status status = track->track.push(samples, count, now_s, &taken);
  if (status == FP_BAD_AUDIO)
    return fail(error, status, "samples hold NaN, infinity or values far beyond -1..1: divide integers by full scale");
  return status;
}

}  // namespace

fp_status fp_track_create(const fp_model* model, const fp_stream_config* config, const fp_track_config* shape,
                          fp_track** track, fp_error* error) {
  if (!track) return null(error, "track");
  *track = nullptr;
  if (const fp_status status = check_handle(model, "model", error)) return status;
  if (!config) return null(error, "config");
  fp_stream_config stream{};
  fp_track_config known{};
  if (const fp_status status = read_struct(config, &stream, kStreamConfigV1, error)) return status;
  if (shape)
    if (const fp_status status = read_struct(shape, &known, kConfigV1, error)) return status;
  return guarded(error, [&] {
    StreamSettings settings;
    TrackSettings own{};
    const Manifest& manifest = model->model->manifest();
    Failure failure = read_settings(stream, manifest, &settings);
    if (!failure) failure = read_track(known, manifest, stream.sample_rate_hz, &settings, &own);
    if (!failure) *track = make_owned<fp_track>(model->model, stream.sample_rate_hz, settings, own).release();
    return failure;
  });
}

void fp_track_destroy(fp_track* track) { Give<fp_track>()(track); }

fp_status fp_track_push_f32(fp_track* track, const float* samples, size_t count, double now_s, fp_error* error) {
  return push(track, samples, count, now_s, error);
}

fp_status fp_track_push_i16(fp_track* track, const int16_t* samples, size_t count, double now_s, fp_error* error) {
  return push(track, samples, count, now_s, error);
}

fp_status fp_track_pull(fp_track* track, double now_s, float* values, uint32_t channels, fp_error* error) {
  if (const fp_status status = check_handle(track, "track", error)) return status;
  if (!values) return null(error, "values");
  if (!std::isfinite(now_s)) return fail(error, FP_BAD_ARGUMENT, "now_s is no time: give seconds of a steady clock");
  if (channels != track->track.channels())
    return fail(error, FP_BAD_ARGUMENT, "channels is %u, this rig has %zu", channels, track->track.channels());
  const char* reason = "";
  const fp_status status = track->track.pull(now_s, values, &reason);
  return status < 0 ? fail(error, status, "%s", reason) : status;
}

fp_status fp_track_set_style(fp_track* track, const float* strengths, uint32_t count, fp_error* error) {
  if (const fp_status status = check_handle(track, "track", error)) return status;
  if (const fp_status status = check_style(track->model->manifest(), strengths, count, error)) return status;
  for (const int which : {0, 1}) track->track.stream(which).hops()->dress(strengths);
  return FP_OK;
}

double fp_track_delay_s(const fp_track* track) {
  return check_handle(track, "track", nullptr) ? 0 : track->track.delay_s();
}
