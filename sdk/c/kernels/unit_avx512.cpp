// AVX-512 with its integer products (F, BW, DQ, VL, VNNI).
#define FP_UNIT "avx512"
#include "unit.inc"

namespace fp::kernels {

const Kernels* avx512_kernels() noexcept { return &kTable; }

}  // namespace fp::kernels
