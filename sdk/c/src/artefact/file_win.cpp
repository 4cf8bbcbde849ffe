#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "artefact/file.h"

namespace fp {
namespace {

struct Handle {
  HANDLE value;
  ~Handle() {
    if (value && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

Failure refuse(const char* path) {
  const DWORD code = GetLastError();
  switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND: return unreadable(path, "No such file or directory");
    case ERROR_ACCESS_DENIED: return unreadable(path, "Access is denied, or it is a directory");
    default: return unreadable(path, ("Windows error " + number(static_cast<long long>(code))).c_str());
  }
}

}  // namespace

Failure MappedFile::open(const char* path) {
  const int letters = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, nullptr, 0);
  if (letters <= 0) return unreadable(path, "the path is not UTF-8");
  Vector<wchar_t> wide(static_cast<std::size_t>(letters));
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide.data(), letters);
  const Handle file{CreateFileW(wide.data(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr, OPEN_EXISTING,
                                FILE_ATTRIBUTE_NORMAL, nullptr)};
  if (file.value == INVALID_HANDLE_VALUE) return refuse(path);
  LARGE_INTEGER size{};
  if (GetFileType(file.value) != FILE_TYPE_DISK) return unreadable(path, "it is no file");
  if (!GetFileSizeEx(file.value, &size)) return refuse(path);
  if (auto failure = check_file_size(path, static_cast<std::uint64_t>(size.QuadPart))) return failure;
  const Handle mapping{CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  if (!mapping.value) return refuse(path);
  data_ = static_cast<const std::uint8_t*>(MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0));
  if (!data_) return refuse(path);
  size_ = static_cast<std::size_t>(size.QuadPart);
  return {};
}

MappedFile::~MappedFile() {
  if (data_) UnmapViewOfFile(data_);
}

}  // namespace fp
