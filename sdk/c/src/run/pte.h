// The plan inside an ExecuTorch program of the backend tinyface, found by following the file's own tables.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fp {

// What one method of the program hands to our kernels. Views into the program's bytes.
struct Delegate {
  const std::uint8_t* plan = nullptr;
  std::size_t plan_bytes = 0;
  std::uint32_t voices = 0;
};

// Method `name` of the program at `bytes`, of which nothing is trusted. Null, or why not.
const char* find_delegate(const std::uint8_t* bytes, std::size_t size, const char* name, Delegate* found) noexcept;

}  // namespace fp
