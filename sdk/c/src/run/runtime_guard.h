// What the runtime must not do inside our calls: print, abort the process, use other threads, fail without a word.
//
// While a RuntimeGuard lives on a thread, that thread's runtime messages are kept instead of printed, an abort becomes
// the exception RuntimeAborted, and kernels stay on the thread. Other threads and other users of the same runtime in
// the process keep what they had.
#pragma once

#if defined(FP_XNNPACK)
#include <executorch/extension/threadpool/threadpool_guard.h>
#endif

namespace fp {

struct RuntimeAborted {};

class RuntimeGuard {
 public:
  RuntimeGuard() noexcept;
  ~RuntimeGuard();
  RuntimeGuard(const RuntimeGuard&) = delete;
  RuntimeGuard& operator=(const RuntimeGuard&) = delete;

  // The first error that the runtime reported, or "".
  const char* error() const noexcept { return error_; }

 private:
  friend struct GuardHooks;
#if defined(FP_XNNPACK)  // nothing else has a pool
  executorch::extension::threadpool::NoThreadPoolGuard one_thread_;
#endif
  RuntimeGuard* outer_;
  char error_[200] = "";
};

// Start the runtime and put the hooks in place; once a process, before the first guard.
void start_runtime();

}  // namespace fp
