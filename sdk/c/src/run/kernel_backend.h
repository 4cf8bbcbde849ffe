// Our own kernels as a backend of the runtime: programs whose delegate is a plan (kernels/plan.h).
#pragma once

namespace fp {

// Makes the runtime know it; once a process.
void register_kernel_backend();

}  // namespace fp
