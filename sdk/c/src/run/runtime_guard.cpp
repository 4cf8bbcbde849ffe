#include "run/runtime_guard.h"

#include <executorch/runtime/platform/platform.h>
#include <executorch/runtime/platform/runtime.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "run/kernel_backend.h"

namespace fp {

namespace runtime = executorch::runtime;

// The runtime's hooks carry no context, so the guard of the calling thread is found here. initial-exec: the C library
// then needs no heap when a thread comes by for the first time.
static thread_local RuntimeGuard* current __attribute__((tls_model("initial-exec"))) = nullptr;

struct GuardHooks {
  inline static runtime::PalImpl before{};  // what the process had; set once, before any hook runs

  static void log(et_timestamp_t time, et_pal_log_level_t level, const char* file, const char* function,
                  std::size_t line, const char* message, std::size_t length) {
    if (!current) {
      if (before.emit_log_message) before.emit_log_message(time, level, file, function, line, message, length);
      return;
    }
    if ((level != kError && level != kFatal) || current->error_[0]) return;
    const std::size_t count = std::min(length, sizeof current->error_ - 1);
    std::memcpy(current->error_, message, count);
    current->error_[count] = '\0';
  }

  static void abort() {
    if (current) throw RuntimeAborted{};
    if (before.abort) before.abort();
    std::abort();
  }
};

RuntimeGuard::RuntimeGuard() noexcept : outer_(current) { current = this; }
RuntimeGuard::~RuntimeGuard() { current = outer_; }

void start_runtime() {
  static std::once_flag once;
  std::call_once(once, [] {
    GuardHooks::before = *runtime::get_pal_impl();
    runtime::PalImpl hooks = GuardHooks::before;
    hooks.emit_log_message = GuardHooks::log;
    hooks.abort = GuardHooks::abort;
    hooks.source_filename = "frame_stream";
    runtime::register_pal(hooks);
    runtime::runtime_init();
    register_kernel_backend();
  });
}

}  // namespace fp
