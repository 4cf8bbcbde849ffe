#include "voices/crowd.h"

#include <algorithm>
#include <cstring>

#include "voices/handles.h"

namespace fp {
namespace {

// Of a hundred places, how many must be taken for a call to pay: a call for all costs between half (XNNPACK) and three
// quarters (our own kernels) of as many single ones. A setting, so that a crowd does the same every day.
constexpr std::size_t kPaysPercent = 75;

}  // namespace

Crowd::Crowd(const Manifest& manifest)
    : channels_(manifest.names.size()), hop_floats_(manifest.window_samples), state_(manifest, manifest.crowd_voices),
      hops_(manifest.crowd_voices * hop_floats_ * sizeof(float)),
      places_(std::max<std::size_t>(manifest.crowd_voices, 1)) {}

Failure Crowd::open(const Model& model) {
  const Manifest& manifest = model.manifest();
  if (!manifest.is_stream())
    return {FP_UNSUPPORTED, manifest.student + " is a window student: it has no crowd, pull its streams instead"};
  if (!manifest.crowd_voices) return {};
  if (auto failure = model.program().load("crowd", StreamEngine::ends(manifest, manifest.crowd_voices), &method_))
    return failure;
  inputs_.push_back(hops_.floats());
  for (std::size_t i = 0; i < state_.tensors(); ++i) inputs_.push_back(state_.of(i));
  pays_ = std::max<std::size_t>(2, (places_.size() * kPaysPercent + 99) / 100);
  const char* reason = "the program failed to run";
  fp_status status = method_->run(inputs_.data(), &reason);
  if (status == FP_OK) status = check_values(method_->output(0), channels_ * places_.size(), &reason);
  if (status != FP_OK) return {status, reason};
  return {};
}

fp_status Crowd::run(fp_stream* const* streams, std::size_t count, std::size_t* hops, const char** reason) noexcept {
  return run_all([streams](std::size_t i) -> Stream& { return streams[i]->stream; }, count, hops, reason);
}

fp_status Crowd::run(fp_track* const* tracks, std::size_t count, std::size_t* hops, const char** reason) noexcept {
  const auto at = [tracks](std::size_t i) -> Stream& { return tracks[i / 2]->track.stream(static_cast<int>(i % 2)); };
  return run_all(at, 2 * count, hops, reason);
}

template <class StreamAt>
fp_status Crowd::run_all(const StreamAt& at, std::size_t count, std::size_t* hops, const char** reason) noexcept {
  seated_ = 0;
  for (bool more = true; more;) {
    more = false;
    for (std::size_t i = 0; i < count; ++i) {
      Stream& stream = at(i);
      StreamVoice* const voice = stream.hops();
      if (std::find(places_.begin(), places_.begin() + seated_, voice) != places_.begin() + seated_) continue;
      if (voice->fill(stream.audio()) != FP_OK) continue;
      more = true;
      places_[seated_++] = voice;
      if (seated_ < places_.size()) continue;
      if (const fp_status status = run_seated(hops, reason)) return status;
    }
    if (const fp_status status = run_seated(hops, reason)) return status;
  }
  return FP_OK;
}

// Run the hops of all who are seated, and clear the places.
fp_status Crowd::run_seated(std::size_t* hops, const char** reason) noexcept {
  const std::size_t count = seated_;
  seated_ = 0;
  if (method_ && count >= pays_) {
    const fp_status status = run_together(count, reason);
    if (status == FP_OK) *hops += count;
    return status;
  }
  for (std::size_t i = 0; i < count; ++i, ++*hops)
    if (const fp_status status = places_[i]->run(reason)) return status;
  return FP_OK;
}

// One call for the first `count` places; what lies in the others is computed and left alone.
fp_status Crowd::run_together(std::size_t count, const char** reason) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    std::memcpy(hops_.floats() + i * hop_floats_, places_[i]->hop(), hop_floats_ * sizeof(float));
  for (std::size_t t = 0; t < state_.tensors(); ++t)
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(state_.of(t, i), places_[i]->state().of(t), state_.floats(t) * sizeof(float));
  fp_status status = method_->run(inputs_.data(), reason);
  if (status == FP_OK) status = check_values(method_->output(0), count * channels_, reason);
  if (status != FP_OK) return status;
  for (std::size_t t = 0; t < state_.tensors(); ++t)
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(places_[i]->state().of(t), method_->output(1 + t) + i * state_.floats(t),
                  state_.floats(t) * sizeof(float));
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(places_[i]->values(), method_->output(0) + i * channels_, channels_ * sizeof(float));
    places_[i]->advance();
  }
  return FP_OK;
}

}  // namespace fp
