// The seal at the end of an artefact: manifest, length, SHA-256 over every byte before it, magic.
//
//     | program | manifest JSON | manifest length u32le | SHA-256 (32) | "TINYFACE" |
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/failure.h"

namespace fp {

// Views into the bytes that were given.
struct Sealed {
  const std::uint8_t* program;
  std::size_t program_bytes;
  std::string_view manifest;
  String sha256;  // hex
  const std::uint8_t* digest;  // the same, its 32 bytes
};

// FP_BAD_FILE for bytes that are foreign, truncated or altered. `where` begins the message.
Failure open_seal(const std::uint8_t* data, std::size_t size, const char* where, Sealed* sealed);

}  // namespace fp
