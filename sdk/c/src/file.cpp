#include "file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "failure.h"

namespace fp {
namespace {

[[noreturn]] void refuse(const std::string& path, int code) {
  throw Failure(FP_NO_FILE, path + ": cannot read: " + std::generic_category().message(code) + ". Check the path");
}

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};  // a pipe must not hold us up
  if (file.number < 0) refuse(path, errno);
  struct stat facts {};
  if (::fstat(file.number, &facts) != 0) refuse(path, errno);
  if (!S_ISREG(facts.st_mode)) refuse(path, S_ISDIR(facts.st_mode) ? EISDIR : EINVAL);
  if (facts.st_size == 0) throw Failure(FP_BAD_FILE, path + ": the file is empty; export or copy it again");
  if (static_cast<std::uint64_t>(facts.st_size) > kLargestArtifactBytes)
    throw Failure(FP_BAD_FILE, path + ": larger than 1 GiB; this is not one of our artefacts");
  size_ = static_cast<std::size_t>(facts.st_size);
  void* const bytes = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (bytes == MAP_FAILED) refuse(path, errno);
  data_ = static_cast<const std::uint8_t*>(bytes);
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::uint8_t*>(data_), size_); }

}  // namespace fp
