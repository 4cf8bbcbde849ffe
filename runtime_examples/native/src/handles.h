// The two opaque handles of frame_stream.h.
#pragma once

#include <memory>

#include "model.h"
#include "stream.h"

struct fp_model {
  std::shared_ptr<fp::Model> model;
};

struct fp_stream {
  std::shared_ptr<fp::Model> model;  // outlives the stream
  fp::Stream stream;
};
