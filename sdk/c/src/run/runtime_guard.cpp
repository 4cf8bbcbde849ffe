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

constexpr char kName[] = "frame_stream";

// The runtime's hooks carry no context, so the guard of the calling thread is found here. initial-exec: the C library
// then needs no heap when a thread comes by for the first time.
static thread_local RuntimeGuard* current __attribute__((tls_model("initial-exec"))) = nullptr;

struct GuardHooks {
  inline static runtime::PalImpl before{};  // what the process had, if not hooks of ours

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

// Whoever starts the runtime later in this process, as Python's package does, puts its own hooks over ours: an artefact's
// reason would be lost, and what the runtime gives up on would end the process. So ours are put back where they are gone.
void start_runtime() {
  static std::mutex one_at_a_time;
  static bool started = false;
  const std::lock_guard<std::mutex> hold(one_at_a_time);
  const runtime::PalImpl there = *runtime::get_pal_impl();
  if (there.emit_log_message == GuardHooks::log) return;
  // another copy of this library may call ours: to call it in turn would never end
  const bool ours = there.source_filename && !std::strcmp(there.source_filename, kName);
  if (!started || !ours) GuardHooks::before = there;
  runtime::PalImpl hooks = GuardHooks::before;
  hooks.emit_log_message = GuardHooks::log;
  hooks.abort = GuardHooks::abort;
  hooks.source_filename = kName;
  runtime::register_pal(hooks);
  if (started) return;
  started = true;
  runtime::runtime_init();
  register_kernel_backend();
}

}  // namespace fp
