// The module of a page or a worker holds nothing but the library.
#include "frame_stream.h"

// The runtime's start would want an environment and arguments: there are none.
extern "C" int fp_module_abi(void) { return static_cast<int>(fp_abi_version()); }
