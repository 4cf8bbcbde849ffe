// units model.pte voices calls [made]: the plan inside an artefact for our own kernels, run on the same noise by every
// instruction set that this processor has. Prints a line for each: its name, microseconds of thread time a call (the
// best of ten stretches), and how far its values and states are from those of the first, at most and on average. What
// the first made is written to the file `made`. Needs nothing but kernels and src/base/memory.cpp: it runs where no runtime does.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels/plan.h"
#include "sounds.h"

namespace {

using fp::kernels::Plan;

double cpu_us() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) * 1e6 + double(now.tv_nsec) / 1e3;
}

struct Run {
  std::vector<float> made;  // all values, then the last states
  double call_us = 1e12;
};

Run run(const std::uint8_t* bytes, std::size_t size, std::size_t voices, int calls, const fp::kernels::Kernels& unit) {
  Plan plan(voices, unit);
  if (const char* const bad = plan.open(bytes, size)) {
    std::fprintf(stderr, "%s\n", bad);
    std::exit(1);
  }
  std::vector<std::vector<float>> before, after;
  std::vector<const float*> in;
  std::vector<float*> out;
  for (std::size_t i = 0; i < plan.states(); ++i) {
    before.emplace_back(voices * plan.state_floats(i)), after.emplace_back(voices * plan.state_floats(i));
    in.push_back(before.back().data()), out.push_back(after.back().data());
  }
  for (std::size_t i = 0; plan.styles() && i < before.back().size(); ++i) before.back()[i] = 0.5f;
  Run result;
  std::vector<float> input(voices * plan.samples()), values(voices * plan.values());
  const int stretch = std::max(calls / 10, 1);
  for (int call = 0; call < calls;) {
    const double start = cpu_us();
    for (int i = 0; i < stretch; ++i, ++call) {
      for (std::size_t k = 0; k < input.size(); ++k) {
        const std::uint64_t at = k % plan.samples() + 7919 * (k / plan.samples()) + plan.samples() * call;
        input[k] = call < 2 * stretch ? tool::noise(at) / 65536.0f * (call % 5) : input[k];
      }
      plan.run(input.data(), in.data(), values.data(), out.data());
      for (std::size_t s = 0; s < before.size(); ++s) before[s] = after[s];
      if (call < 2 * stretch) result.made.insert(result.made.end(), values.begin(), values.end());
    }
    if (call > 2 * stretch) result.call_us = std::min(result.call_us, (cpu_us() - start) / stretch);
  }
  for (const auto& state : before) result.made.insert(result.made.end(), state.begin(), state.end());
  return result;
}

}  // namespace

int main(int count, char** words) {
  if (count < 4) return std::fputs("usage: units model.pte voices calls [made]\n", stderr), 2;
  std::ifstream file(words[1], std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::size_t from = bytes.find(std::string("TFKP\1\0\0\0", 8));
  if (from == std::string::npos) from = bytes.find(std::string("TFKP\2\0\0\0", 8));  // with styles, all half worn
  if (from == std::string::npos) return std::fputs("there is no plan in this file\n", stderr), 1;
  fp::Arena plan(bytes.size() - from);
  std::memcpy(plan.data(), bytes.data() + from, plan.size());
  std::vector<float> first;
  for (const char* name : {"base", "avx2", "avx512"}) {
    const fp::kernels::Kernels* const unit = fp::kernels::best(name);
    if (!unit) continue;
    const Run made = run(plan.data(), plan.size(), static_cast<std::size_t>(std::atoi(words[2])),
                         std::atoi(words[3]), *unit);
    if (first.empty()) {
      first = made.made;
      if (count > 4)
        std::ofstream(words[4], std::ios::binary)
            .write(reinterpret_cast<const char*>(first.data()), std::streamsize(first.size() * sizeof(float)));
    }
    double most = 0, total = 0;
    for (std::size_t i = 0; i < first.size(); ++i) {
      const double off = std::isfinite(made.made[i]) ? std::fabs(double{made.made[i]} - double{first[i]}) : INFINITY;
      most = std::max(most, off), total += off;
    }
    std::printf("%s %.2f %.2g %.2g\n", unit->name, made.call_us, most, total / double(first.size()));
  }
}
