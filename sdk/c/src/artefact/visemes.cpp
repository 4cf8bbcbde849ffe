#include "artefact/visemes.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace fp {
namespace {

constexpr std::size_t kPoses = kVisemes - 1, kParts = 12;
constexpr std::size_t kAll = 16;  // parts: the last four are in no pose, but shut or open the lips
constexpr double kRidge = 1e-9;  // two poses that are alike share their weight instead of failing

// The parts of a mouth, and on how many channels each stands: left and right, or one.
// `opens`: what it adds to the lips' gap, in units of jawOpen; OPENING of sdk/names/visemes.py.
struct Part {
  std::string_view name;
  double channels, opens;
};
constexpr Part kPart[kAll] = {
    {"jawOpen", 1, 1},            {"mouthClose", 1, -1.128},     {"mouthFunnel", 1, 0.396},
    {"mouthPucker", 1, -0.032},   {"mouthStretch", 2, 0},        {"mouthLowerDown", 2, 0.104},
    {"mouthUpperUp", 2, 0.107},   {"mouthSmile", 2, 0},          {"mouthRollLower", 1, -0.079},
    {"mouthRollUpper", 1, 0.067}, {"mouthShrugUpper", 1, 0.155}, {"tongueOut", 1, 0},
    {"mouthShrugLower", 1, -0.21}, {"mouthPress", 2, -0.037},    {"jawForward", 1, 0.04},
    {"noseSneer", 2, 0.091}};
constexpr double kLeastOpening = 1e-6;
// What a calm speaker's mouth does at the middle of such a sound; those of sdk/names/visemes.py.
constexpr double kPose[kPoses][kParts] = {
    {0.10, 0.10, 0.00, 0.04, 0.00, 0.00, 0.00, 0.00, 0.15, 0.15, 0.0, 0.00},  // PP
    {0.09, 0.03, 0.00, 0.00, 0.02, 0.00, 0.18, 0.00, 0.40, 0.00, 0.0, 0.00},  // FF
    {0.12, 0.00, 0.00, 0.00, 0.04, 0.16, 0.08, 0.00, 0.00, 0.00, 0.0, 0.22},  // TH
    {0.11, 0.00, 0.00, 0.00, 0.06, 0.17, 0.08, 0.00, 0.00, 0.00, 0.0, 0.05},  // DD
    {0.15, 0.00, 0.00, 0.00, 0.02, 0.12, 0.06, 0.00, 0.00, 0.00, 0.0, 0.00},  // kk
    {0.08, 0.00, 0.30, 0.35, 0.00, 0.12, 0.12, 0.00, 0.00, 0.00, 0.0, 0.00},  // CH
    {0.06, 0.00, 0.00, 0.00, 0.12, 0.24, 0.12, 0.04, 0.00, 0.00, 0.0, 0.00},  // SS
    {0.10, 0.00, 0.00, 0.00, 0.03, 0.13, 0.05, 0.00, 0.00, 0.00, 0.0, 0.10},  // nn
    {0.11, 0.00, 0.12, 0.32, 0.00, 0.12, 0.06, 0.00, 0.00, 0.00, 0.0, 0.00},  // RR
    {0.38, 0.00, 0.00, 0.00, 0.00, 0.22, 0.10, 0.00, 0.00, 0.00, 0.0, 0.00},  // aa
    {0.24, 0.00, 0.00, 0.00, 0.18, 0.20, 0.10, 0.12, 0.00, 0.00, 0.0, 0.00},  // E
    {0.13, 0.00, 0.00, 0.00, 0.24, 0.17, 0.09, 0.18, 0.00, 0.00, 0.0, 0.00},  // ih
    {0.27, 0.00, 0.22, 0.30, 0.00, 0.12, 0.06, 0.00, 0.00, 0.00, 0.0, 0.00},  // oh
    {0.10, 0.00, 0.16, 0.68, 0.00, 0.05, 0.03, 0.00, 0.00, 0.00, 0.0, 0.00},  // ou
};

using Row = double[kPoses];

// The equations of the active poses, by Gauss; they are positive definite, so no pivot is looked for.
void solve(const Row* products, const double* wanted, const bool* active, double* found) noexcept {
  std::size_t rows[kPoses], count = 0;
  double m[kPoses][kPoses + 1];
  for (std::size_t i = 0; i < kPoses; ++i) {
    found[i] = 0;
    if (active[i]) rows[count++] = i;
  }
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t c = 0; c < count; ++c) m[r][c] = products[rows[r]][rows[c]] + (r == c ? kRidge : 0);
    m[r][count] = wanted[rows[r]];
  }
  for (std::size_t c = 0; c < count; ++c)
    for (std::size_t r = c + 1; r < count; ++r) {
      const double factor = m[r][c] / m[c][c];
      for (std::size_t k = c; k <= count; ++k) m[r][k] -= factor * m[c][k];
    }
  for (std::size_t r = count; r-- > 0;) {
    double rest = m[r][count];
    for (std::size_t c = r + 1; c < count; ++c) rest -= m[r][c] * found[rows[c]];
    found[rows[r]] = rest / m[r][r];
  }
}

// How far from `x` towards `trial` nothing falls below nought; what falls first leaves the active ones.
void step_towards(const double* trial, bool* active, double* x) noexcept {
  double share = 1;
  for (std::size_t i = 0; i < kPoses; ++i)
    if (active[i] && trial[i] <= 0) share = std::min(share, x[i] / (x[i] - trial[i]));
  for (std::size_t i = 0; i < kPoses; ++i) {
    x[i] += share * (trial[i] - x[i]);
    if (x[i] <= 1e-12) active[i] = false;
  }
}

// The x >= 0 that minimises x'Px / 2 - w'x: Lawson and Hanson's active set, on the normal equations.
void non_negative(const Row* products, const double* wanted, double* x) noexcept {
  bool active[kPoses] = {};
  std::fill_n(x, kPoses, 0.0);
  for (std::size_t turn = 0; turn < 3 * kPoses; ++turn) {
    std::size_t best = kPoses;
    double steepest = 1e-10;
    for (std::size_t i = 0; i < kPoses; ++i) {
      double slope = wanted[i];
      for (std::size_t k = 0; k < kPoses; ++k) slope -= products[i][k] * x[k];
      if (!active[i] && slope > steepest) best = i, steepest = slope;
    }
    if (best == kPoses) return;
    active[best] = true;
    for (;;) {
      double trial[kPoses];
      solve(products, wanted, active, trial);
      bool whole = true, any = false;
      for (std::size_t i = 0; i < kPoses; ++i) whole = whole && (!active[i] || trial[i] > 0);
      if (whole) {
        std::copy_n(trial, kPoses, x);
        break;
      }
      step_towards(trial, active, x);
      for (const bool on : active) any = any || on;
      if (any) continue;
      std::fill_n(x, kPoses, 0.0);
      break;
    }
  }
}

double sum_of(const double* x) noexcept {
  double sum = 0;
  for (std::size_t i = 0; i < kPoses; ++i) sum += x[i];
  return sum;
}

// The poses that open the lips so far less that the mouth opens no wider than the frame's.
void open_as(const double* parts, double* found) noexcept {
  double frame = 0, blended = 0, opens[kPoses];
  for (std::size_t k = 0; k < kAll; ++k) frame += kPart[k].opens * parts[k];
  for (std::size_t i = 0; i < kPoses; ++i) {
    opens[i] = 0;
    for (std::size_t k = 0; k < kParts; ++k) opens[i] += kPose[i][k] * kPart[k].opens * kPart[k].channels;
    opens[i] = std::max(0.0, opens[i]);
    blended += found[i] * opens[i];
  }
  const double share = std::min(1.0, std::max(0.0, frame) / std::max(blended, kLeastOpening));
  for (std::size_t i = 0; i < kPoses; ++i)
    if (opens[i] > 0) found[i] *= share;
}

}  // namespace

Visemes::Visemes(const Vector<String>& names) : part_(names.size(), -1) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string_view name(names[i].data(), names[i].size());
    for (std::size_t part = 0; part < kAll; ++part) {
      const std::string_view own = kPart[part].name;
      if (name.substr(0, own.size()) != own) continue;
      const std::string_view side = name.substr(own.size());
      if (kPart[part].channels > 1 ? side == "Left" || side == "Right" : side.empty())
        part_[i] = static_cast<std::int8_t>(part);
    }
  }
}

void Visemes::read(const float* values, float* weights) const noexcept {
  double parts[kAll] = {}, wanted[kPoses], found[kPoses], most = 0;
  Row products[kPoses];
  for (std::size_t i = 0; i < part_.size(); ++i)
    if (part_[i] >= 0) parts[part_[i]] += double{values[i]};
  for (std::size_t i = 0; i < kPoses; ++i) {
    wanted[i] = 0;
    for (std::size_t k = 0; k < kParts; ++k) wanted[i] += kPose[i][k] * parts[k];
    for (std::size_t j = 0; j < kPoses; ++j) {
      products[i][j] = 0;
      for (std::size_t k = 0; k < kParts; ++k) products[i][j] += kPose[i][k] * kPose[j][k] * kPart[k].channels;
    }
    most = std::max(most, products[i][i]);
  }
  non_negative(products, wanted, found);
  double sum = sum_of(found);
  if (sum > 1) {  // too much for one mouth: the same where the sum is 1, which a heavy equation says
    const double heavy = 100 * most;
    for (std::size_t i = 0; i < kPoses; ++i) {
      wanted[i] += heavy;
      for (std::size_t j = 0; j < kPoses; ++j) products[i][j] += heavy;
    }
    non_negative(products, wanted, found);
    sum = sum_of(found);
    for (double& share : found) share /= sum;
  }
  open_as(parts, found);
  weights[0] = static_cast<float>(std::max(0.0, 1 - sum_of(found)));
  for (std::size_t i = 0; i < kPoses; ++i) weights[1 + i] = static_cast<float>(found[i]);
}

}  // namespace fp
