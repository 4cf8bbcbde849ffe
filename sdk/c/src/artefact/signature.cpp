#include "artefact/signature.h"

#include <cstring>

#include "artefact/file.h"

#if defined(FP_SIGNATURES)
#include "hashes/sha512.h"

// In a namespace of ours, so that a host with a Monocypher of its own can link us in; the linker keeps what is called.
#define MONOCYPHER_CPP_NAMESPACE fp_monocypher
#include "monocypher/monocypher.c"
#endif

namespace fp {

#if defined(FP_SIGNATURES)
namespace {

// Whether eight times the point is nought: no such key is anybody's, and signatures by it need no secret. Zeros, as a
// key that was never filled in has them, are one. The equation asked is R + h A = s B, with R nought, s 0 and h 8.
bool of_small_order(const std::uint8_t* key) noexcept {
  static constexpr std::uint8_t kNought[kSignatureBytes] = {1}, kEight[32] = {8};
  return fp_monocypher::crypto_eddsa_check_equation(kNought, key, kEight) == 0;
}

}  // namespace

Failure check_signature(const Sealed& sealed, const std::uint8_t* signature, std::size_t size, const std::uint8_t* key,
                        const char* where) {
  static constexpr char kDomain[] = "TINYFACE-SIGNATURE-1";
  constexpr std::size_t kDomainBytes = sizeof kDomain - 1;
  if (of_small_order(key)) return {FP_BAD_ARGUMENT, "the key is nobody's, as zeros are: give what `tinyface key` shows"};
  if (size == kSignatureBytes) {
    // RFC 8032: SHA-512 over the signature's point R, the key and the message
    std::uint8_t hashed[32 + kKeyBytes + kDomainBytes + 32], reduced[32];
    std::memcpy(hashed, signature, 32);
    std::memcpy(hashed + 32, key, kKeyBytes);
    std::memcpy(hashed + 32 + kKeyBytes, kDomain, kDomainBytes);
    std::memcpy(hashed + 32 + kKeyBytes + kDomainBytes, sealed.digest, 32);
    fp_monocypher::crypto_eddsa_reduce(reduced, sha512(hashed, sizeof hashed).data());
    if (fp_monocypher::crypto_eddsa_check_equation(signature, key, reduced) == 0) return {};
  }
  return {FP_NOT_SIGNED, String(where) + ": its signature is none of this file by this key: it was altered, or made by "
                                         "another"};
}
#else
Failure check_signature(const Sealed&, const std::uint8_t*, std::size_t, const std::uint8_t*, const char* where) {
  return {FP_UNSUPPORTED, String(where) + ": this library was built without signatures; build it with "
                                          "-DFRAME_STREAM_SIGNATURES=ON"};
}
#endif

Failure check_signature_beside(const Sealed& sealed, const char* path, const std::uint8_t* key) {
  MappedFile file;
  const String beside = String(path) + ".sig";
  if (auto failure = file.open(beside.c_str()))
    return {FP_NOT_SIGNED, String(path) + ": a signature is demanded: " + failure.message +
                               ", or sign it: `tinyface sign`"};
  return check_signature(sealed, file.data(), file.size(), key, path);
}

}  // namespace fp
