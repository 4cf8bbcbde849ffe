// A loaded artefact and what its voices share: bytes, manifest, program, engine, resampling weights. Lives while any
// user does.
#pragma once

#include <cstddef>
#include <cstdint>

#include "run/engine.h"
#include "artefact/file.h"
#include "base/lock.h"
#include "artefact/manifest.h"
#include "run/program.h"
#include "sound/resampler.h"
#include "artefact/seal.h"

namespace fp {

class Model {
 public:
  // Checks seal, manifest and program, and runs the program once. One of them, once. `key`, 32 bytes or null: whose
  // signature is demanded, of the file beside it.
  Failure open_file(const char* path, const std::uint8_t* key = nullptr);
  // The same from memory, which is copied; `signature`: 64 bytes, looked at where there is a key.
  Failure open_memory(const void* data, std::size_t size, const std::uint8_t* signature = nullptr,
                      const std::uint8_t* key = nullptr);
  // The same from memory that stays as it is while the model lives.
  Failure open_in_place(const void* data, std::size_t size);

  const Manifest& manifest() const noexcept { return manifest_; }
  const String& sha256() const noexcept { return sha256_; }
  std::size_t artifact_bytes() const noexcept { return artifact_bytes_; }
  const Program& program() const noexcept { return program_; }
  Engine& engine() noexcept { return *engine_; }

  // The weights for a rate, made once for all voices; kept after the last of them until another rate is asked for.
  Shared<const FilterBank> bank(std::int64_t rate_hz);

 private:
  Failure open_seal_at(const void* data, std::size_t size, Sealed* sealed);
  Failure open(const Sealed& sealed, const char* where);
  Failure open_parts(const Sealed& sealed);

  MappedFile file_;  // where the program is, one or the other
  Arena copy_{0};
  std::size_t artifact_bytes_ = 0;
  String sha256_;
  Manifest manifest_;
  Program program_;
  Owned<Engine> engine_;
  Mutex banks_busy_;
  Vector<Shared<const FilterBank>> banks_;
};

}  // namespace fp
