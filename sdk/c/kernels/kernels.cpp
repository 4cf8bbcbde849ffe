#include "kernels.h"

#include <cstring>

#if defined(FP_X86_UNITS)
#include "cpu.h"
#endif

namespace fp::kernels {

const Kernels* base_kernels() noexcept;
#if defined(FP_X86_UNITS)
const Kernels* avx2_kernels() noexcept;
const Kernels* avx512_kernels() noexcept;
#endif

const Kernels* best(const char* name) noexcept {
  const auto wanted = [name](const char* unit) { return !name || !std::strcmp(name, unit); };
#if defined(FP_X86_UNITS)
  const Cpu cpu = ask_cpu();
  if (cpu.avx512 && wanted("avx512")) return avx512_kernels();
  if (cpu.avx2 && wanted("avx2")) return avx2_kernels();
#endif
  return wanted("base") || !name ? base_kernels() : nullptr;
}

}  // namespace fp::kernels
