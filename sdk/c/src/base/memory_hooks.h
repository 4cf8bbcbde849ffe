// The host's allocator, as the C door takes it.
#pragma once

#include "frame_stream.h"

namespace fp {

// False while anything of the library is alive.
bool set_host_memory(const fp_allocator& allocator) noexcept;

}  // namespace fp
