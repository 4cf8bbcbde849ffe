// OVR's 15 visemes out of a face, as sdk/names/visemes.py reads them: the weights, none negative and together at most
// one, whose blend of mouth poses is nearest to the frame's mouth; what is left to one is silence.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.h"

namespace fp {

constexpr std::size_t kVisemes = 15;

class Visemes {
 public:
  // names: of the channels, ARKit's where they are to count.
  explicit Visemes(const Vector<String>& names);

  // values: one for each name. weights: kVisemes of them. No heap.
  void read(const float* values, float* weights) const noexcept;

 private:
  Vector<std::int8_t> part_;  // of the poses that a channel is, or -1
};

}  // namespace fp
