#include "crowd.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "handles.h"

namespace fp {
namespace {

constexpr int kTrials = 5;

// Seconds that `work` takes when nobody disturbs it.
template <class Work>
double best_seconds(Work&& work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto start = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

void must(fp_status status, const char* reason) {
  if (status != FP_OK) throw Failure(status, reason);
}

const Manifest& manifest_of(const Model& model) {
  const Manifest& manifest = model.manifest();
  if (!manifest.is_stream())
    throw Failure(FP_UNSUPPORTED, manifest.student + " is a window student: it has no crowd, pull its streams instead");
  return manifest;
}

}  // namespace

Crowd::Crowd(Model& model)
    : channels_(manifest_of(model).names.size()), hop_floats_(model.manifest().window_samples),
      state_(model.manifest(), model.manifest().crowd_voices),
      hops_(model.manifest().crowd_voices * hop_floats_ * sizeof(float)),
      places_(std::max<std::size_t>(model.manifest().crowd_voices, 1)) {
  if (!model.manifest().crowd_voices) return;
  method_ = model.program().load("crowd", StreamEngine::ends(model.manifest(), model.manifest().crowd_voices));
  inputs_.push_back(hops_.floats());
  for (std::size_t i = 0; i < state_.tensors(); ++i) inputs_.push_back(state_.of(i));
  pays_ = find_what_pays(std::get<StreamEngine>(model.engine()), State(model.manifest(), 1));
}

// How many calls for one voice cost as much as one call for all places: it depends on the student and the machine.
std::size_t Crowd::find_what_pays(StreamEngine& single, State start) {
  std::vector<float> values(channels_);
  const char* reason = "";
  const auto together = [&] {
    must(method_->run(inputs_.data(), &reason), reason);
    must(check_values(method_->output(0), channels_ * places_.size(), &reason), reason);
  };
  const auto alone = [&] { must(single.step(hops_.floats(), start, values.data(), &reason), reason); };
  const double all = best_seconds(together), one = best_seconds(alone);
  return std::max<std::size_t>(2, static_cast<std::size_t>(std::min(std::ceil(all / one), 1e6)));
}

fp_status Crowd::run(fp_stream* const* streams, std::size_t count, std::size_t* hops, const char** reason) noexcept {
  seated_ = 0;
  for (bool more = true; more;) {
    more = false;
    for (std::size_t i = 0; i < count; ++i) {
      Stream& stream = streams[i]->stream;
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
