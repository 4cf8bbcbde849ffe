// Where all of the library's memory comes from: the host's allocator if it gave one, else the C library's.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fp {

// Memory for `bytes` at a multiple of `alignment`. Without any left: throws std::bad_alloc; in a build without
// exceptions the process ends, as such builds do.
void* take_memory(std::size_t bytes, std::size_t alignment);
void give_memory(void* memory, std::size_t bytes, std::size_t alignment) noexcept;

template <class T>
struct Allocator {
  using value_type = T;
  Allocator() = default;
  template <class Other>
  Allocator(const Allocator<Other>&) noexcept {}
  T* allocate(std::size_t count) { return static_cast<T*>(take_memory(count * sizeof(T), alignof(T))); }
  void deallocate(T* memory, std::size_t count) noexcept { give_memory(memory, count * sizeof(T), alignof(T)); }
  template <class Other>
  bool operator==(const Allocator<Other>&) const noexcept { return true; }
  template <class Other>
  bool operator!=(const Allocator<Other>&) const noexcept { return false; }
};

template <class T>
using Vector = std::vector<T, Allocator<T>>;
using String = std::basic_string<char, std::char_traits<char>, Allocator<char>>;

template <class T>
struct Give {
  void operator()(T* object) const noexcept {
    if (!object) return;
    object->~T();
    give_memory(object, sizeof(T), alignof(T));
  }
};
template <class T>
using Owned = std::unique_ptr<T, Give<T>>;

template <class T, class... Arguments>
Owned<T> make_owned(Arguments&&... arguments) {
  void* const memory = take_memory(sizeof(T), alignof(T));
  struct Room {  // given back if the constructor throws
    void* memory;
    ~Room() { if (memory) give_memory(memory, sizeof(T), alignof(T)); }
  } room{memory};
  Owned<T> made(new (memory) T(std::forward<Arguments>(arguments)...));
  room.memory = nullptr;
  return made;
}

// What several own together, in one block with their number; the last one gives it back. The C++ library's own keeps
// its counting in a library that is not there on a phone, a console or in a page.
template <class T>
class Shared {
 public:
  Shared() = default;
  Shared(const Shared& from) noexcept : block_(from.block_) {
    if (block_) block_->users.fetch_add(1, std::memory_order_relaxed);
  }
  Shared(Shared&& from) noexcept : block_(std::exchange(from.block_, nullptr)) {}
  Shared& operator=(Shared from) noexcept {
    std::swap(block_, from.block_);
    return *this;
  }
  ~Shared() {
    if (block_ && block_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) Give<Block>{}(block_);
  }

  template <class... Arguments>
  static Shared make(Arguments&&... arguments) {
    Shared made;
    made.block_ = make_owned<Block>(std::forward<Arguments>(arguments)...).release();
    return made;
  }

  T* operator->() const noexcept { return &block_->object; }
  T& operator*() const noexcept { return block_->object; }
  bool same(const Shared& other) const noexcept { return block_ == other.block_; }
  // Whether nobody else owns it: true stays true while no other thread has it.
  bool alone() const noexcept { return block_->users.load(std::memory_order_acquire) == 1; }

 private:
  struct Block {
    template <class... Arguments>
    explicit Block(Arguments&&... arguments) : object(std::forward<Arguments>(arguments)...) {}
    std::atomic<std::size_t> users{1};
    T object;
  };
  Block* block_ = nullptr;
};

// A whole number in words.
inline String number(long long value) {
  char digits[24];
  std::size_t at = sizeof digits;
  auto rest = value < 0 ? 0ull - static_cast<unsigned long long>(value) : static_cast<unsigned long long>(value);
  do digits[--at] = static_cast<char>('0' + rest % 10);
  while (rest /= 10);
  if (value < 0) digits[--at] = '-';
  return String(digits + at, sizeof digits - at);
}

}  // namespace fp
