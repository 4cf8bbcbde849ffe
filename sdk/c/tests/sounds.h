// Audio that is a function of its sample index.
#pragma once

#include <cmath>
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

// A buzz that says /a i a i/, four a second with silence between. A trained student rests its lips in noise, and tests
// that compare frames or wait for a move would then compare stillness.
inline std::int16_t voice(std::uint64_t n, std::uint32_t rate_hz) {
  constexpr double kPulse_s = 1 / 120.0, kSyllable_s = 0.25, kSaid_s = 0.17, kTwoPi = 6.283185307179586;
  const double at_s = double(n) / rate_hz, pulse_s = std::fmod(at_s, kPulse_s);
  if (std::fmod(at_s, kSyllable_s) > kSaid_s) return 0;
  const bool open = std::fmod(at_s, 2 * kSyllable_s) < kSyllable_s;
  const double first_hz = open ? 750 : 300, second_hz = open ? 1200 : 2300;  // formants
  const double rung = std::sin(kTwoPi * first_hz * pulse_s) + std::sin(kTwoPi * second_hz * pulse_s) / 2;
  return static_cast<std::int16_t>(12000 * std::exp(-kTwoPi * 70 * pulse_s) * rung);
}

inline std::vector<std::int16_t> voice_from(std::uint64_t first, std::size_t count, std::uint32_t rate_hz) {
  std::vector<std::int16_t> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = voice(first + i, rate_hz);
  return out;
}

}  // namespace tool
