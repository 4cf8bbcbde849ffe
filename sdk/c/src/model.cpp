#include "model.h"

#include <cstring>
#include <new>

#include "arena.h"
#include "failure.h"
#include "seal.h"

namespace fp {

void Model::Free::operator()(std::uint8_t* bytes) const noexcept { ::operator delete(bytes, std::align_val_t{kAlign}); }

Model::Model(const std::string& path) : file_(std::make_unique<MappedFile>(path)) {
  open(file_->data(), file_->size(), path);
}

Model::Model(const void* data, std::size_t size) {
  if (size == 0) throw Failure(FP_BAD_FILE, "the artefact in memory is empty");
  const std::string where = "the artefact in memory";
  open_seal(static_cast<const std::uint8_t*>(data), size, where);  // before anything of its size is allocated
  copy_.reset(static_cast<std::uint8_t*>(::operator new(size, std::align_val_t{kAlign})));
  std::memcpy(copy_.get(), data, size);
  open(copy_.get(), size, where);
}

void Model::open(const std::uint8_t* data, std::size_t size, const std::string& where) {
  const Sealed sealed = open_seal(data, size, where);
  artifact_bytes_ = size;
  sha256_ = sealed.sha256;
  try {
    manifest_ = parse_manifest(sealed.manifest);
    if (manifest_.runtime != "executorch")
      throw Failure(FP_UNSUPPORTED, "the artefact runs on " + manifest_.runtime +
                                        ", this library plays executorch programs: use the .pte");
#if !defined(FP_XNNPACK)
    if (manifest_.backend == "xnnpack")
      throw Failure(FP_UNSUPPORTED, "the artefact needs XNNPACK, which this library was built without: build it with "
                                    "FRAME_STREAM_XNNPACK=ON, or export for the backend tinyface");
#endif
    program_ = std::make_unique<Program>(sealed.program, sealed.program_bytes);
    engine_ = open_engine(*program_, manifest_);
  } catch (const Failure& failure) {
    throw Failure(failure.status, where + ": " + failure.message);
  }
}

std::shared_ptr<const FilterBank> Model::bank(std::int64_t rate_hz) {
  const std::lock_guard<std::mutex> lock(banks_busy_);
  for (std::size_t i = banks_.size(); i-- > 0;) {
    auto found = banks_[i].lock();
    if (!found) banks_.erase(banks_.begin() + static_cast<std::ptrdiff_t>(i));
    else if (found->rate_hz == rate_hz) return found;
  }
  auto made = std::make_shared<const FilterBank>(rate_hz);
  banks_.push_back(made);
  return made;
}

}  // namespace fp
