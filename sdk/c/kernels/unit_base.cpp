// Every processor of the target: SSE2 on x86-64, NEON on 64-bit ARM.
#define FP_UNIT "base"
#include "unit.inc"

namespace fp::kernels {

const Kernels* base_kernels() noexcept { return &kTable; }

}  // namespace fp::kernels
