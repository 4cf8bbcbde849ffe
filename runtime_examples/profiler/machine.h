// What the machine says about itself, and what this process holds of it. Unknown figures are -1, unknown texts empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct Machine {
  std::string architecture, cpu, system, governor;
  std::vector<std::string> isa;
  unsigned cores = 0;
  std::int64_t memory_bytes = -1;
  std::vector<double> load_average;
};

Machine this_machine();

// Bytes of this process: in use from malloc, resident now and at most, and in pages that no other process shares.
struct Memory {
  std::int64_t heap = -1, resident = -1, peak_resident = -1, private_dirty = -1;
};

Memory memory_now();

// Runs this process on one core from here on. Throws std::runtime_error saying which cores there are.
void pin_to_core(int core);

// Processor time of this process so far, in microseconds.
double processor_us();

// Size of the last cache before memory, or a guess of 32 MB where the system does not say.
std::size_t last_cache_bytes();
