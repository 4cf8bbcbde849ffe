// Who made an artefact: Ed25519 (RFC 8032) over "TINYFACE-SIGNATURE-1" and the 32 bytes of its seal's SHA-256, which
// covers every byte of the file. `sdk/tools/signature.py` writes them, 64 bytes beside the file, `model.pte.sig`.
#pragma once

#include <cstddef>
#include <cstdint>

#include "artefact/seal.h"
#include "base/failure.h"

namespace fp {

constexpr std::size_t kKeyBytes = 32, kSignatureBytes = 64;

// FP_NOT_SIGNED unless the `size` bytes are the signature of `sealed` by the owner of the public `key` (32 bytes).
// FP_BAD_ARGUMENT for a key that is nobody's.
Failure check_signature(const Sealed& sealed, const std::uint8_t* signature, std::size_t size, const std::uint8_t* key,
                        const char* where);

// The same with the signature in the file beside `path`.
Failure check_signature_beside(const Sealed& sealed, const char* path, const std::uint8_t* key);

}  // namespace fp
