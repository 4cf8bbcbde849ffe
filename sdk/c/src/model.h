// A loaded artefact and what its voices share: bytes, manifest, program, engine, resampling weights. Lives while any
// user does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine.h"
#include "file.h"
#include "manifest.h"
#include "program.h"
#include "resampler.h"

namespace fp {

class Model {
 public:
  // Checks seal, manifest and program, and runs the program once. Throws Failure.
  explicit Model(const std::string& path);
  // The same from memory, which is copied.
  Model(const void* data, std::size_t size);

  const Manifest& manifest() const noexcept { return manifest_; }
  const std::string& sha256() const noexcept { return sha256_; }
  std::size_t artifact_bytes() const noexcept { return artifact_bytes_; }
  const Program& program() const noexcept { return *program_; }
  Engine& engine() noexcept { return *engine_; }

  // The weights for a rate, made once for all voices that are alive.
  std::shared_ptr<const FilterBank> bank(std::int64_t rate_hz);

 private:
  void open(const std::uint8_t* data, std::size_t size, const std::string& where);

  std::unique_ptr<MappedFile> file_;  // where the program is, one or the other
  struct Free {
    void operator()(std::uint8_t* bytes) const noexcept;
  };
  std::unique_ptr<std::uint8_t, Free> copy_;
  std::size_t artifact_bytes_ = 0;
  std::string sha256_;
  Manifest manifest_;
  std::unique_ptr<Program> program_;
  std::unique_ptr<Engine> engine_;
  std::mutex banks_busy_;
  std::vector<std::weak_ptr<const FilterBank>> banks_;
};

}  // namespace fp
