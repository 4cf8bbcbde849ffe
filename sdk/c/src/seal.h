// The seal at the end of an artefact: manifest, length, SHA-256 over every byte before it, magic.
//
//     | program | manifest JSON | manifest length u32le | SHA-256 (32) | "TINYFACE" |
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fp {

// Views into the bytes that were given.
struct Sealed {
  const std::uint8_t* program;
  std::size_t program_bytes;
  std::string_view manifest;
  std::string sha256;  // hex
};

// Throws Failure FP_BAD_FILE for bytes that are foreign, truncated or altered. `where` begins the message.
Sealed open_seal(const std::uint8_t* data, std::size_t size, const std::string& where);

}  // namespace fp
