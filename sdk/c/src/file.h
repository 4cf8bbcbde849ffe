// A whole file as bytes, mapped read-only: its pages stay clean and can be dropped by the system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace fp {

constexpr std::size_t kLargestArtifactBytes = std::size_t{1} << 30;

class MappedFile {
 public:
  // Throws Failure: FP_NO_FILE if it cannot be read, FP_BAD_FILE if it is empty or over 1 GiB.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::uint8_t* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fp
