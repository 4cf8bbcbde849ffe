// AVX2 and FMA.
#define FP_UNIT "avx2"
#include "unit.inc"

namespace fp::kernels {

const Kernels* avx2_kernels() noexcept { return &kTable; }

}  // namespace fp::kernels
