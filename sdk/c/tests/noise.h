// Audio that is a function of its sample index.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tool {

// Noise: sample n of it, the same in every language.
inline std::int16_t noise(std::uint64_t n) {
  std::uint64_t x = (n + 1) * 0x9E3779B97F4A7C15u;
  x ^= x >> 29;
  x *= 0xBF58476D1CE4E5B9u;
  x ^= x >> 32;
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(x) / 2);
}

inline std::vector<std::int16_t> noise_from(std::uint64_t first, std::size_t count) {
  std::vector<std::int16_t> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = noise(first + i);
  return out;
}

}  // namespace tool
