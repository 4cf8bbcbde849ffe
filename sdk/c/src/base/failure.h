// Why opening or creating something failed: given back, never thrown, so that the library needs no exceptions. The C
// door turns it into a status and a message.
#pragma once

#include <utility>

#include "frame_stream.h"
#include "base/memory.h"

namespace fp {

struct [[nodiscard]] Failure {
  Failure() = default;  // nothing failed
  Failure(fp_status status_, String message_) : status(status_), message(std::move(message_)) {}
  explicit operator bool() const noexcept { return status != FP_OK; }
  fp_status status = FP_OK;
  String message;
};

}  // namespace fp
