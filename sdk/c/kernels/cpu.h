// What the processor and the system under it can do. x86 only; others have one unit.
#pragma once

#include <cstdint>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace fp::kernels {

struct Cpu {
  bool avx2 = false, avx512 = false;  // all that the unit of that name is compiled with
};

inline void cpuid(std::uint32_t leaf, std::uint32_t (&out)[4]) noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
  int made[4];
  __cpuidex(made, static_cast<int>(leaf), 0);
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::uint32_t>(made[i]);
#else
  __cpuid_count(leaf, 0, out[0], out[1], out[2], out[3]);
#endif
}

// Which registers the system keeps when it switches threads.
inline std::uint64_t kept_registers() noexcept {
#if defined(_MSC_VER) && !defined(__clang__)
  return _xgetbv(0);
#else
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
#endif
}

inline Cpu ask_cpu() noexcept {
  Cpu cpu;
  std::uint32_t most[4], one[4], seven[4];
  const auto has = [](std::uint32_t word, std::uint32_t bits) { return (word & bits) == bits; };
  cpuid(0, most);
  if (most[0] < 7) return cpu;
  cpuid(1, one);
  cpuid(7, seven);
  constexpr std::uint32_t kFma = 1u << 12, kXsave = 1u << 27, kAvx = 1u << 28, kAvx2 = 1u << 5;
  constexpr std::uint32_t kF = 1u << 16, kDq = 1u << 17, kBw = 1u << 30, kVl = 1u << 31, kVnni = 1u << 11;
  if (!has(one[2], kFma | kXsave | kAvx)) return cpu;
  const std::uint64_t kept = kept_registers();
  cpu.avx2 = has(seven[1], kAvx2) && (kept & 0x06) == 0x06;
  cpu.avx512 = cpu.avx2 && (kept & 0xe6) == 0xe6 && has(seven[1], kF | kDq | kBw | kVl) && has(seven[2], kVnni);
  return cpu;
}

}  // namespace fp::kernels
