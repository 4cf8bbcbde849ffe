// An opened program, and its methods: float32 tensors in, float32 tensors out, on the calling thread.
//
// program_executorch.cpp plays any program that the runtime knows; program_plan.cpp plays those of the backend tinyface,
// which hold a plan for our own kernels, and needs no runtime.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/failure.h"
#include "base/shape.h"

namespace fp {

struct Manifest;

// What a method must take and give, all float32.
struct Ends {
  Vector<Shape> inputs, outputs;
};

// Whether this library plays an artefact: FP_UNSUPPORTED if not.
Failure check_playable(const Manifest& manifest);

// One loaded method, with its own copy of the weights that it uses. One call at a time.
class Method {
 public:
  struct Loaded;
  explicit Method(Owned<Loaded> loaded);
  ~Method();

  // Runs it on `inputs`, one pointer for each: aligned as an Arena's, readable beyond the end as an Arena's. FP_OK or
  // FP_RUN_FAILED, then with a reason. No heap.
  fp_status run(float* const* inputs, const char** reason) noexcept;
  // What the last run that succeeded gave; until the next run.
  const float* output(std::size_t index) const noexcept;

 private:
  Owned<Loaded> loaded_;
};

class Program {
 public:
  Program();
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // `bytes` must stay where they are while the program lives and begin at a multiple of 16 bytes. FP_BAD_PROGRAM. Once.
  Failure open(const std::uint8_t* bytes, std::size_t size);
  // Whether method `name` exists and takes and gives what `ends` says; FP_BAD_PROGRAM if not.
  Failure check(const char* name, const Ends& ends) const;
  // Method `name`, checked. The program must outlive it. FP_BAD_PROGRAM.
  Failure load(const char* name, const Ends& ends, Owned<Method>* method) const;

 private:
  struct Opened;
  Owned<Opened> opened_;
};

}  // namespace fp
