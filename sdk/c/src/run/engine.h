// What runs an artefact for all its voices, which wait for one another: a window of samples in, or a hop and a state
// given and taken back; one vector of rig values out.
#pragma once

#include <cstddef>
#include <variant>

#include "base/arena.h"
#include "base/failure.h"
#include "base/lock.h"
#include "artefact/manifest.h"
#include "run/program.h"

namespace fp {

// Whether the program gave `count` finite numbers; if not, FP_RUN_FAILED and why.
fp_status check_values(const float* values, std::size_t count, const char** reason) noexcept;

class WindowEngine {
 public:
  explicit WindowEngine(const Manifest& manifest);

  // Loads `forward` and runs it once, on silence. `program` must outlive it. FP_BAD_PROGRAM or FP_RUN_FAILED. Once.
  Failure open(const Program& program, const Manifest& manifest);

  // (window_samples,) -> (channels,), unclamped. FP_OK or FP_RUN_FAILED, then with a reason. No heap.
  fp_status run(const float* window, float* values, const char** reason) noexcept;

 private:
  std::size_t channels_;
  Owned<Method> method_;
  Arena window_;
  Mutex busy_;
};

// What a stream student remembers of `voices` voices: one tensor (voices, *shape) for each shape of the manifest.
class State {
 public:
  State(const Manifest& manifest, std::size_t voices);

  std::size_t tensors() const noexcept { return places_.size(); }
  // Of one voice in one tensor.
  std::size_t floats(std::size_t tensor) const noexcept { return floats_[tensor]; }
  float* of(std::size_t tensor, std::size_t voice = 0) const noexcept {
    return places_[tensor] + voice * floats_[tensor];
  }
  // Before the first sample: zeros.
  void clear() noexcept { bytes_.clear(); }

 private:
  Vector<std::size_t> floats_;
  Arena bytes_;
  Vector<float*> places_;
};

class StreamEngine {
 public:
  explicit StreamEngine(const Manifest& manifest);

  // Loads `forward` and runs it once, on silence; `crowd` is checked but not loaded. As WindowEngine.
  Failure open(const Program& program, const Manifest& manifest);

  // `hop`: (hop_samples,), readable beyond its end as an Arena's -> (channels,), unclamped, and the state after it.
  // FP_OK, or FP_RUN_FAILED with a reason and the state as it was. No heap.
  fp_status step(float* hop, State& state, float* values, const char** reason) noexcept;

  // What a method for `voices` voices takes and gives.
  static Ends ends(const Manifest& manifest, std::size_t voices);

 private:
  std::size_t channels_;
  Owned<Method> method_;
  Vector<float*> inputs_;
  Mutex busy_;
};

using Engine = std::variant<WindowEngine, StreamEngine>;

// The engine of the manifest's kind.
Failure open_engine(const Program& program, const Manifest& manifest, Owned<Engine>* engine);

}  // namespace fp
