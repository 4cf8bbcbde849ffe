// What an artefact says about itself: everything that is needed to run it. No defaults: a missing fact is an error.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/failure.h"
#include "base/shape.h"

namespace fp {

struct Manifest {
  String student, kind, runtime, backend, precision;
  std::uint32_t window_samples = 0, future_samples = 0;  // a window, or a stream student's hop
  Vector<Shape> state;  // shapes of one voice; none of a window student
  std::uint32_t crowd_voices = 0;                // in a call of the method `crowd`; 0 without it
  std::uint32_t fps_numerator = 0, fps_denominator = 0;
  Vector<double> ensemble;  // three weights, or none
  Vector<String> names;
  Vector<float> minimum, maximum, neutral;
  Vector<String> styles;  // a number each in the last tensor of a state; none of most students
  std::uint64_t parameters = 0;

  bool is_stream() const noexcept { return kind == "stream"; }
  Timing timing() const noexcept { return {future_samples, is_stream() ? window_samples : 1}; }
  // Of one voice.
  std::size_t state_floats() const noexcept {
    std::size_t sum = 0;
    for (const Shape& shape : state) sum += count_of(shape);
    return sum;
  }
  std::uint32_t channels() const noexcept { return static_cast<std::uint32_t>(names.size()); }
};

// FP_BAD_MANIFEST, listing what is missing, unknown, mistyped or contradictory: the first few of it.
Failure parse_manifest(std::string_view json, Manifest* manifest);

}  // namespace fp
