// Zeroed, aligned bytes of a fixed size, for what vector kernels read and write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace fp {

constexpr std::size_t kAlign = 64;
constexpr std::size_t kOverread = 64;  // vector kernels may read, and ignore, some bytes beyond the end of a tensor

class Arena {
 public:
  explicit Arena(std::size_t size)
      : size_(size), bytes_(static_cast<std::uint8_t*>(::operator new(size + kOverread, std::align_val_t{kAlign}))) {
    clear();
  }
  std::uint8_t* data() const noexcept { return bytes_.get(); }
  float* floats() const noexcept { return reinterpret_cast<float*>(bytes_.get()); }
  std::size_t size() const noexcept { return size_; }
  void clear() noexcept { std::memset(bytes_.get(), 0, size_ + kOverread); }

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const noexcept { ::operator delete(bytes, std::align_val_t{kAlign}); }
  };
  std::size_t size_;
  std::unique_ptr<std::uint8_t, Free> bytes_;
};

}  // namespace fp
