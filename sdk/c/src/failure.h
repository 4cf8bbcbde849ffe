// What opening and creating throw inside the library; the C door turns it into a status. Push and pull throw nothing.
#pragma once

#include <string>
#include <utility>

#include "frame_stream.h"

namespace fp {

struct Failure {
  Failure(fp_status status_, std::string message_) : status(status_), message(std::move(message_)) {}
  fp_status status;
  std::string message;
};

}  // namespace fp
