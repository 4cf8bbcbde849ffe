// A mutex, or nothing in a build without threads (FP_NO_THREADS: WebAssembly in one worker, a microcontroller).
#pragma once

#if defined(FP_NO_THREADS)

namespace fp {

struct Mutex {};
struct Lock {
  explicit Lock(Mutex&) noexcept {}
  ~Lock() {}
};

}  // namespace fp

#else

#include <mutex>

namespace fp {

using Mutex = std::mutex;
using Lock = std::lock_guard<std::mutex>;

}  // namespace fp

#endif
