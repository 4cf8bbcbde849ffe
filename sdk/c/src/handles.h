// The three opaque handles of frame_stream.h.
#pragma once

#include <memory>

#include "crowd.h"
#include "model.h"
#include "stream.h"

struct fp_model {
  std::shared_ptr<fp::Model> model;
};

struct fp_stream {
  std::shared_ptr<fp::Model> model;  // outlives the stream
  fp::Stream stream;
};

struct fp_crowd {
  std::shared_ptr<fp::Model> model;  // outlives the crowd
  fp::Crowd crowd;
};
