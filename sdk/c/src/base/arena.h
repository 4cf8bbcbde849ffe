// Zeroed, aligned bytes of a fixed size, for what vector kernels read and write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/memory.h"

namespace fp {

constexpr std::size_t kAlign = 64;
constexpr std::size_t kOverread = 64;  // vector kernels may read, and ignore, some bytes beyond the end of a tensor

class Arena {
 public:
  explicit Arena(std::size_t size)
      : size_(size), bytes_(static_cast<std::uint8_t*>(take_memory(size + kOverread, kAlign))) {
    clear();
  }
  Arena(Arena&& from) noexcept : size_(from.size_), bytes_(std::exchange(from.bytes_, nullptr)) {}
  Arena& operator=(Arena&& from) noexcept {
    std::swap(size_, from.size_);
    std::swap(bytes_, from.bytes_);
    return *this;
  }
  ~Arena() { give_memory(bytes_, size_ + kOverread, kAlign); }

  std::uint8_t* data() const noexcept { return bytes_; }
  float* floats() const noexcept { return reinterpret_cast<float*>(bytes_); }
  std::size_t size() const noexcept { return size_; }
  void clear() noexcept { std::memset(bytes_, 0, size_ + kOverread); }

 private:
  std::size_t size_;
  std::uint8_t* bytes_;
};

}  // namespace fp
