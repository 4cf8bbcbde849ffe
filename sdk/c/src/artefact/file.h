// A whole file as bytes, mapped read-only: its pages stay clean and can be dropped by the system.
//
// file_posix.cpp, file_win.cpp, and file_none.cpp for where there are no files.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/failure.h"

namespace fp {

constexpr std::size_t kLargestArtifactBytes = std::size_t{1} << 30;

class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // `path`: UTF-8. FP_NO_FILE if it cannot be read, FP_BAD_FILE if it is empty or over 1 GiB. Once.
  Failure open(const char* path);

  const std::uint8_t* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

// The refusals that all systems share.
inline Failure unreadable(const char* path, const char* why) {
  return {FP_NO_FILE, String(path) + ": cannot read: " + why + ". Check the path"};
}
inline Failure check_file_size(const char* path, std::uint64_t bytes) {
  if (bytes == 0) return {FP_BAD_FILE, String(path) + ": the file is empty; export or copy it again"};
  if (bytes > kLargestArtifactBytes)
    return {FP_BAD_FILE, String(path) + ": larger than 1 GiB; this is not one of our artefacts"};
  return {};
}

}  // namespace fp
