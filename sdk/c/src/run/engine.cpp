#include "run/engine.h"

#include <cmath>
#include <cstring>

namespace fp {
namespace {

Shape with_first(std::size_t first, const Shape& rest) {
  Shape shape{static_cast<std::int32_t>(first)};
  shape.insert(shape.end(), rest.begin(), rest.end());
  return shape;
}

Vector<std::size_t> counts(const Manifest& manifest) {
  Vector<std::size_t> out;
  for (const Shape& shape : manifest.state) out.push_back(count_of(shape));
  return out;
}

// Bytes of one tensor, so that the next one is aligned again.
std::size_t aligned_bytes(std::size_t floats) { return (floats * sizeof(float) + kAlign - 1) / kAlign * kAlign; }

std::size_t total_bytes(const Vector<std::size_t>& floats, std::size_t voices) {
  std::size_t bytes = 0;
  for (const std::size_t count : floats) bytes += aligned_bytes(count * voices);
  return bytes;
}

}  // namespace

fp_status check_values(const float* values, std::size_t count, const char** reason) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i])) {
      *reason = "the program gave NaN or infinite values: its weights are damaged; export it again";
      return FP_RUN_FAILED;
    }
  return FP_OK;
}

WindowEngine::WindowEngine(const Manifest& manifest)
    : channels_(manifest.names.size()), window_(manifest.window_samples * sizeof(float)) {}

Failure WindowEngine::open(const Program& program, const Manifest& manifest) {
  const auto samples = static_cast<std::int32_t>(manifest.window_samples);
  Ends ends;
  ends.inputs.push_back({1, 1, samples});
  ends.outputs.push_back({1, static_cast<std::int32_t>(channels_)});
  if (auto failure = program.load("forward", ends, &method_)) return failure;
  Vector<float> silence(manifest.window_samples), values(channels_);
  const char* reason = "";
  if (run(silence.data(), values.data(), &reason) != FP_OK) return {FP_RUN_FAILED, reason};
  return {};
}

fp_status WindowEngine::run(const float* window, float* values, const char** reason) noexcept {
  const Lock lock(busy_);
  std::memcpy(window_.data(), window, window_.size());
  float* const input = window_.floats();
  fp_status status = method_->run(&input, reason);
  if (status == FP_OK) status = check_values(method_->output(0), channels_, reason);
  if (status == FP_OK) std::memcpy(values, method_->output(0), channels_ * sizeof(float));
  return status;
}

State::State(const Manifest& manifest, std::size_t voices)
    : floats_(counts(manifest)), bytes_(total_bytes(floats_, voices)) {
  std::uint8_t* place = bytes_.data();
  for (const std::size_t count : floats_) {
    places_.push_back(reinterpret_cast<float*>(place));
    place += aligned_bytes(count * voices);
  }
}

Ends StreamEngine::ends(const Manifest& manifest, std::size_t voices) {
  Ends ends;
  ends.inputs.push_back(with_first(voices, {1, static_cast<std::int32_t>(manifest.window_samples)}));
  ends.outputs.push_back(with_first(voices, {static_cast<std::int32_t>(manifest.channels())}));
  for (const Shape& shape : manifest.state) {
    ends.inputs.push_back(with_first(voices, shape));
    ends.outputs.push_back(ends.inputs.back());
  }
  return ends;
}

StreamEngine::StreamEngine(const Manifest& manifest)
    : channels_(manifest.names.size()), inputs_(1 + manifest.state.size()) {}

Failure StreamEngine::open(const Program& program, const Manifest& manifest) {
  if (manifest.crowd_voices)
    if (auto failure = program.check("crowd", ends(manifest, manifest.crowd_voices))) return failure;
  if (auto failure = program.load("forward", ends(manifest, 1), &method_)) return failure;
  State start(manifest, 1);
  Arena silence(manifest.window_samples * sizeof(float));
  Vector<float> values(channels_);
  const char* reason = "";
  if (step(silence.floats(), start, values.data(), &reason) != FP_OK) return {FP_RUN_FAILED, reason};
  return {};
}

fp_status StreamEngine::step(float* hop, State& state, float* values, const char** reason) noexcept {
  const Lock lock(busy_);
  inputs_[0] = hop;
  for (std::size_t i = 0; i < state.tensors(); ++i) inputs_[1 + i] = state.of(i);
  fp_status status = method_->run(inputs_.data(), reason);
  if (status == FP_OK) status = check_values(method_->output(0), channels_, reason);
  if (status != FP_OK) return status;
  std::memcpy(values, method_->output(0), channels_ * sizeof(float));
  for (std::size_t i = 0; i < state.tensors(); ++i)
    std::memcpy(state.of(i), method_->output(1 + i), state.floats(i) * sizeof(float));
  return FP_OK;
}

Failure open_engine(const Program& program, const Manifest& manifest, Owned<Engine>* engine) {
  if (manifest.is_stream()) *engine = make_owned<Engine>(std::in_place_type<StreamEngine>, manifest);
  else *engine = make_owned<Engine>(std::in_place_type<WindowEngine>, manifest);
  return std::visit([&](auto& opened) { return opened.open(program, manifest); }, **engine);
}

}  // namespace fp
