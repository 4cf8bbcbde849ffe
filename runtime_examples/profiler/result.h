// The profile as JSON: what `profiles/` reads, and quantiles and a histogram for people.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "machine.h"
#include "play.h"

// One way of playing. Times in microseconds of one frame of one voice. pace: filled at real-time pace only.
struct Case {
  bool real_time = false, cold = false;
  int core = -1;
  unsigned voices = 1;
  std::vector<std::vector<double>> rounds_us;
  std::vector<double> started_s, processor_rounds_us, response_us;
  double processor_us = -1, period_us = 0, deadline_us = 0;

  std::size_t late() const;
  double percentile(double percent) const;  // of all rounds: the sample that so many do not exceed
};

struct Result {
  std::string machine_name, note;
  bool ensemble = false;  // as it was played, and in blocks of how much audio
  unsigned chunk_ms = 0;
  Machine machine;
  Memory memory;
  std::vector<Case> cases;
};

void write_json(std::FILE* file, const Result& result, const Player& player);
void write_summary(std::FILE* file, const Result& result, const Player& player);
