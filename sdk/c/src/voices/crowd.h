// Many voices of one stream student: their hops run together, as many in a call as the program's method `crowd` takes.
#pragma once

#include <cstddef>

#include "run/model.h"
#include "voices/stream_voice.h"

namespace fp {

class Crowd {
 public:
  explicit Crowd(const Manifest& manifest);

  // Loads `crowd`, which has its own copy of the weights, and runs it once on silence. `model` must outlive it.
  // FP_UNSUPPORTED for a window student, FP_BAD_PROGRAM or FP_RUN_FAILED. Once.
  Failure open(const Model& model);

  // Runs the hops of `streams` that their audio fills, as far as each has room for the values; adds how many to *hops.
  // All must be streams of the model; who stands there twice counts once. FP_OK, or FP_RUN_FAILED with a reason: hops
  // that have run stay so, the others can be run again. No heap.
  fp_status run(fp_stream* const* streams, std::size_t count, std::size_t* hops, const char** reason) noexcept;
  // The same for both streams of each track.
  fp_status run(fp_track* const* tracks, std::size_t count, std::size_t* hops, const char** reason) noexcept;

 private:
  template <class StreamAt>
  fp_status run_all(const StreamAt& at, std::size_t count, std::size_t* hops, const char** reason) noexcept;
  fp_status run_seated(std::size_t* hops, const char** reason) noexcept;
  fp_status run_together(std::size_t count, const char** reason) noexcept;

  std::size_t channels_, hop_floats_;
  State state_;  // of all places, and below their hops: what the program reads
  Arena hops_;
  Vector<float*> inputs_;
  Owned<Method> method_;  // none where the artefact has no `crowd`: then one by one
  Vector<StreamVoice*> places_;
  std::size_t seated_ = 0;
  std::size_t pays_ = 0;  // fewer hops than these run one by one
};

}  // namespace fp
