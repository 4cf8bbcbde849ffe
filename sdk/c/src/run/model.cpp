#include "run/model.h"

#include <cstring>

#include "artefact/signature.h"

namespace fp {
namespace {

constexpr char kInMemory[] = "the artefact in memory";

}  // namespace

Failure Model::open_file(const char* path, const std::uint8_t* key) {
  Sealed sealed;
  if (auto failure = file_.open(path)) return failure;
  if (auto failure = open_seal(file_.data(), file_.size(), path, &sealed)) return failure;
  if (key)
    if (auto failure = check_signature_beside(sealed, path, key)) return failure;
  artifact_bytes_ = file_.size();
  return open(sealed, path);
}

Failure Model::open_memory(const void* data, std::size_t size, const std::uint8_t* signature,
                           const std::uint8_t* key) {
  Sealed sealed;
  if (auto failure = open_seal_at(data, size, &sealed)) return failure;  // before anything of its size is allocated
  if (key)
    if (auto failure = check_signature(sealed, signature, kSignatureBytes, key, kInMemory)) return failure;
  copy_ = Arena(size);
  std::memcpy(copy_.data(), data, size);
  sealed.program = copy_.data();
  return open(sealed, kInMemory);
}

Failure Model::open_in_place(const void* data, std::size_t size) {
  Sealed sealed;
  if (reinterpret_cast<std::uintptr_t>(data) % kAlign)
    return {FP_BAD_ARGUMENT, String(kInMemory) + " does not lie on a multiple of 64 bytes"};
  if (auto failure = open_seal_at(data, size, &sealed)) return failure;
  return open(sealed, kInMemory);
}

Failure Model::open_seal_at(const void* data, std::size_t size, Sealed* sealed) {
  if (size == 0) return {FP_BAD_FILE, String(kInMemory) + " is empty"};
  artifact_bytes_ = size;
  return open_seal(static_cast<const std::uint8_t*>(data), size, kInMemory, sealed);
}

Failure Model::open(const Sealed& sealed, const char* where) {
  sha256_ = sealed.sha256;
  auto failure = open_parts(sealed);
  if (failure) failure.message = String(where) + ": " + failure.message;
  return failure;
}

Failure Model::open_parts(const Sealed& sealed) {
  if (auto failure = parse_manifest(sealed.manifest, &manifest_)) return failure;
  if (manifest_.runtime != "executorch")
    return {FP_UNSUPPORTED,
            "the artefact runs on " + manifest_.runtime + ", this library plays executorch programs: use the .pte"};
  if (auto failure = check_playable(manifest_)) return failure;
  if (auto failure = program_.open(sealed.program, sealed.program_bytes)) return failure;
  return open_engine(program_, manifest_, &engine_);
}

Shared<const FilterBank> Model::bank(std::int64_t rate_hz) {
  const Lock lock(banks_busy_);
  for (std::size_t i = banks_.size(); i-- > 0;) {
    if (banks_[i]->rate_hz == rate_hz) return banks_[i];
    if (banks_[i].alone()) banks_.erase(banks_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  banks_.push_back(Shared<const FilterBank>::make(rate_hz));
  return banks_.back();
}

}  // namespace fp
