// An opened program, and its methods: float32 tensors in, float32 tensors out, on the calling thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "failure.h"
#include "shape.h"

namespace fp {

// What a method must take and give, all float32.
struct Ends {
  std::vector<Shape> inputs, outputs;
};

// One loaded method, with its own copy of the weights that it uses. One call at a time.
class Method {
 public:
  ~Method();

  // Runs it on `inputs`, one pointer for each: aligned as an Arena's, readable beyond the end as an Arena's. FP_OK or
  // FP_RUN_FAILED, then with a reason. No heap.
  fp_status run(float* const* inputs, const char** reason) noexcept;
  // What the last run that succeeded gave; until the next run.
  const float* output(std::size_t index) const noexcept;

 private:
  friend class Program;
  struct Loaded;
  explicit Method(std::unique_ptr<Loaded> loaded);
  std::unique_ptr<Loaded> loaded_;
};

class Program {
 public:
  // `bytes` must stay where they are while the program lives and begin at a multiple of 16 bytes. Throws Failure
  // FP_BAD_PROGRAM.
  Program(const std::uint8_t* bytes, std::size_t size);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Whether method `name` exists and takes and gives what `ends` says; throws Failure FP_BAD_PROGRAM if not.
  void check(const char* name, const Ends& ends) const;
  // Method `name`, checked. The program must outlive it. Throws Failure FP_BAD_PROGRAM.
  std::unique_ptr<Method> load(const char* name, const Ends& ends) const;

 private:
  struct Opened;
  std::unique_ptr<Opened> opened_;
};

}  // namespace fp
