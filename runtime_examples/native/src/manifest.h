// What an artefact says about itself: everything that is needed to run it. No defaults: a missing fact is an error.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fp {

struct Manifest {
  std::string student, kind, runtime, backend, precision;
  std::uint32_t window_samples = 0, future_samples = 0;
  std::uint32_t fps_numerator = 0, fps_denominator = 0;
  std::vector<double> ensemble;  // three weights, or none
  std::vector<std::string> names;
  std::vector<float> minimum, maximum, neutral;
  std::uint64_t parameters = 0;

  std::uint32_t channels() const noexcept { return static_cast<std::uint32_t>(names.size()); }
};

// Throws Failure FP_BAD_MANIFEST listing all that is missing, unknown, mistyped or contradictory.
Manifest parse_manifest(std::string_view json);

}  // namespace fp
