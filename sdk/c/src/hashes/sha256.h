// SHA-256 (FIPS 180-4) of one block of bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace fp {

std::array<std::uint8_t, 32> sha256(const std::uint8_t* data, std::size_t size) noexcept;

}  // namespace fp
