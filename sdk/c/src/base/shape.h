// The shape of a tensor.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.h"

namespace fp {

using Shape = Vector<std::int32_t>;

// How many numbers it has room for.
inline std::size_t count_of(const Shape& shape) noexcept {
  std::size_t count = 1;
  for (const std::int32_t size : shape) count *= static_cast<std::size_t>(size);
  return count;
}

}  // namespace fp
