// SHA-512 (FIPS 180-4) of one block of bytes: what Ed25519 hashes with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace fp {

std::array<std::uint8_t, 64> sha512(const std::uint8_t* data, std::size_t size) noexcept;

}  // namespace fp
