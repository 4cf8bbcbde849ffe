// One loaded program: a window of samples in, one vector of rig values out. Stateless between calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "failure.h"
#include "manifest.h"

namespace fp {

class Engine {
 public:
  // Loads the program and runs it once, on silence. `program` must stay where it is while the engine lives and begin at
  // a multiple of 16 bytes. Throws Failure: FP_UNSUPPORTED, FP_BAD_PROGRAM or FP_RUN_FAILED.
  Engine(const std::uint8_t* program, std::size_t size, const Manifest& manifest);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // (window_samples,) -> (channels,), unclamped. FP_OK or FP_RUN_FAILED, then with a reason. No heap. Calls from
  // several threads wait for one another.
  fp_status run(const float* window, float* values, const char** reason) noexcept;

 private:
  struct Loaded;
  std::unique_ptr<Loaded> loaded_;
};

}  // namespace fp
