#include "artefact/seal.h"

#include <cstring>

#include "base/failure.h"
#include "artefact/file.h"
#include "hashes/sha256.h"

namespace fp {
namespace {

constexpr std::size_t kTail = 4 + 32 + 8;
constexpr std::size_t kLargestManifestBytes = 1 << 20;

String hex(const std::uint8_t* bytes, std::size_t count) {
  String out;
  for (std::size_t i = 0; i < count; ++i) {
    out += "0123456789abcdef"[bytes[i] >> 4];
    out += "0123456789abcdef"[bytes[i] & 15];
  }
  return out;
}

}  // namespace

Failure open_seal(const std::uint8_t* data, std::size_t size, const char* at, Sealed* sealed) {
  const String where(at);
  if (size > kLargestArtifactBytes)
    return {FP_BAD_FILE, where + ": larger than 1 GiB; this is not one of our artefacts"};
  if (size < kTail || std::memcmp(data + size - 8, "TINYFACE", 8) != 0)
    return {FP_BAD_FILE, where + ": no tinyface seal at its end: a foreign file, or a truncated one. "
                                       "Export it with python -m export.build"};
  const std::uint8_t* const tail = data + size - kTail;
  const auto digest = sha256(data, size - 40);
  if (std::memcmp(digest.data(), tail + 4, digest.size()) != 0)
    return {FP_BAD_FILE, where + ": its content does not match its SHA-256: it was altered or damaged. "
                                       "Export or copy it again"};
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length |= std::size_t{tail[i]} << (8 * i);
  if (length > size - kTail || length > kLargestManifestBytes)
    return {FP_BAD_FILE, where + ": its seal is damaged; export it again"};
  const std::size_t start = size - kTail - length;
  *sealed = {data, start, {reinterpret_cast<const char*>(data) + start, length}, hex(tail + 4, 32), tail + 4};
  return {};
}

}  // namespace fp
