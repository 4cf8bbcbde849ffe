#include "kernels.h"

#include <cstring>

namespace fp::kernels {

const Kernels* base_kernels() noexcept;
#if defined(FP_X86_UNITS)
const Kernels* avx2_kernels() noexcept;
const Kernels* avx512_kernels() noexcept;
#endif

const Kernels* best(const char* name) noexcept {
  const auto wanted = [name](const char* unit) { return !name || !std::strcmp(name, unit); };
#if defined(FP_X86_UNITS)
  // What the unit is compiled with, no more and no less; the builtin also asks whether the system keeps the registers.
  if (wanted("avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return avx512_kernels();
  if (wanted("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2_kernels();
#endif
  return wanted("base") || !name ? base_kernels() : nullptr;
}

}  // namespace fp::kernels
