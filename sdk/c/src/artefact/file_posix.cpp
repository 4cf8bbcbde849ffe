#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "artefact/file.h"

namespace fp {
namespace {

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

Failure MappedFile::open(const char* path) {
  const Descriptor file{::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};  // a pipe must not hold us up
  if (file.number < 0) return unreadable(path, std::strerror(errno));
  struct stat facts {};
  if (::fstat(file.number, &facts) != 0) return unreadable(path, std::strerror(errno));
  if (!S_ISREG(facts.st_mode)) return unreadable(path, std::strerror(S_ISDIR(facts.st_mode) ? EISDIR : EINVAL));
  if (auto failure = check_file_size(path, static_cast<std::uint64_t>(facts.st_size))) return failure;
  size_ = static_cast<std::size_t>(facts.st_size);
  void* const bytes = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (bytes == MAP_FAILED) return unreadable(path, std::strerror(errno));
  data_ = static_cast<const std::uint8_t*>(bytes);
  return {};
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

}  // namespace fp
