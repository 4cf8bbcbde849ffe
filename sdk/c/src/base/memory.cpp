#include "base/memory.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "frame_stream.h"
#include "base/memory_hooks.h"

namespace fp {
namespace {

// Whose memory it is must be known before the first block and until the last: the one thing that belongs to the process.
fp_allocator host{};
std::atomic<std::size_t> alive{0};

// The C library's, at any alignment: what it gave stands right before what we give.
void* own_take(std::size_t bytes, std::size_t alignment) noexcept {
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes ? bytes : 1);
  void* const all = bytes > SIZE_MAX - alignment - sizeof(void*) ? nullptr
                                                                 : std::malloc(bytes + alignment + sizeof(void*));
  if (!all) return nullptr;
  const auto from = reinterpret_cast<std::uintptr_t>(all) + sizeof(void*);
  void** const at = reinterpret_cast<void**>((from + alignment - 1) / alignment * alignment);
  at[-1] = all;
  return at;
}

}  // namespace

void* take_memory(std::size_t bytes, std::size_t alignment) {
  void* const memory = host.allocate ? host.allocate(host.user, bytes, alignment) : own_take(bytes, alignment);
  if (!memory) {
#if defined(__cpp_exceptions)
    throw std::bad_alloc();
#else
    std::abort();
#endif
  }
  alive.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void give_memory(void* memory, std::size_t bytes, std::size_t alignment) noexcept {
  if (!memory) return;
  alive.fetch_sub(1, std::memory_order_relaxed);
  if (host.release) host.release(host.user, memory, bytes, alignment);
  else std::free(alignment <= alignof(std::max_align_t) ? memory : static_cast<void**>(memory)[-1]);
}

bool set_host_memory(const fp_allocator& allocator) noexcept {
  if (alive.load(std::memory_order_relaxed)) return false;
  host = allocator;
  return true;
}

}  // namespace fp
