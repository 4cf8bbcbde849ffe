// What every function of the C door does: write messages, read and write structs of any version, let nothing escape.
#pragma once

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>

#include "base/failure.h"

#if defined(__GNUC__)
#define FP_FORMAT(text, first) __attribute__((format(printf, text, first)))
#else
#define FP_FORMAT(text, first)
#endif

namespace fp {

constexpr std::size_t kLargestStruct = 4096;  // a struct_size beyond this is no size

FP_FORMAT(3, 4) inline fp_status fail(fp_error* error, fp_status status, const char* format, ...) {
  if (error) {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
  }
  return status;
}

inline fp_status null(fp_error* error, const char* what) {
  return fail(error, FP_BAD_ARGUMENT, "%s is NULL", what);
}

// FP_OK if `handle` is one of ours, of its own kind and not given back.
template <class Handle>
fp_status check_handle(const Handle* handle, const char* what, fp_error* error) {
  if (!handle) return null(error, what);
  if (handle->tag.value == Handle::kKind) return FP_OK;
  return fail(error, FP_BAD_ARGUMENT, "%s is another kind of handle, or was given back already", what);
}

// Runs `work`, which gives a Failure, and turns that into a status. Without exceptions nothing else can come out.
template <class Work>
fp_status guarded(fp_error* error, Work&& work) noexcept {
#if defined(__cpp_exceptions)
  try {
#endif
    const Failure failure = work();
    return failure ? fail(error, failure.status, "%s", failure.message.c_str()) : FP_OK;
#if defined(__cpp_exceptions)
  } catch (const std::bad_alloc&) {
    return fail(error, FP_OUT_OF_MEMORY, "there is not enough memory");
  } catch (const std::exception& defect) {
    return fail(error, FP_INTERNAL, "a defect of this library: %s", defect.what());
  } catch (...) {
    return fail(error, FP_INTERNAL, "a defect of this library");
  }
#endif
}

template <class Struct>
fp_status bad_struct(std::size_t size, fp_error* error) {
  return fail(error, FP_BAD_STRUCT, "struct_size is %zu, this library knows %zu: set it to sizeof of the struct", size,
              sizeof(Struct));
}

// A caller's struct of its own version as ours: what a shorter one lacks is zero, what a longer one adds must be.
template <class Struct>
fp_status read_struct(const Struct* from, Struct* to, std::size_t first_version_bytes, fp_error* error) noexcept {
  const std::size_t size = from->struct_size;
  bool known = size >= first_version_bytes && size <= kLargestStruct;
  for (std::size_t i = sizeof *to; known && i < size; ++i) known = !reinterpret_cast<const unsigned char*>(from)[i];
  if (!known) return bad_struct<Struct>(size, error);
  std::memset(to, 0, sizeof *to);
  std::memcpy(to, from, std::min(size, sizeof *to));
  return FP_OK;
}

// Whether `write_struct` can write there.
template <class Struct>
fp_status check_struct(const Struct* to, std::size_t first_version_bytes, fp_error* error) noexcept {
  const std::size_t size = to->struct_size;
  return size >= first_version_bytes && size <= kLargestStruct ? FP_OK : bad_struct<Struct>(size, error);
}

// Ours as a caller's of its own version, which `check_struct` has seen: what only a newer caller knows is zero.
template <class Struct>
void write_struct(Struct* to, Struct from) noexcept {
  const std::size_t size = to->struct_size;
  from.struct_size = static_cast<std::uint32_t>(size);
  if (size > sizeof from) std::memset(reinterpret_cast<unsigned char*>(to) + sizeof from, 0, size - sizeof from);
  std::memcpy(static_cast<void*>(to), &from, std::min(size, sizeof from));
}

}  // namespace fp
