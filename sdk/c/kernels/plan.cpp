#include "plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fp::kernels {
namespace {

constexpr std::size_t kScratchRows = 6;  // that a kernel makes at a time
constexpr std::size_t kSteps = 256;      // of a grid
constexpr std::size_t kSlack = 16;       // numbers behind a buffer, which kernels may read

}  // namespace

const char* Plan::open(const std::uint8_t* bytes, std::size_t size) {
  if (reinterpret_cast<std::uintptr_t>(bytes) % 16) return "the plan does not lie on a multiple of 16 bytes";
  if (!voices_ || voices_ > 1024) return "the plan is for no voice, or for too many";
  const char* const bad = read(bytes, size);
  return bad ? bad : lay_out();
}

const char* Plan::lay_out() {
  std::size_t floats = 0, bytes = 0, widest = 0;
  for (const Layer& l : layers_) widest = std::max(widest, l.outputs);
  const auto reserve = [&floats](std::size_t count) {  // beyond kMostFloats there is no more to give
    const std::size_t place = floats;
    floats = count > kMostFloats || floats > kMostFloats ? kMostFloats + 1 : floats + whole(count + kSlack, kPanel);
    return place;
  };
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& l = layers_[i];
    l.width = l.inputs == 1 ? 1 : whole(l.inputs, kPanel);
    if (l.all_columns() > kMostFloats / voices_ / l.width) return "the plan asks for memory beyond reason";
    const std::size_t count = voices_ * l.all_columns() * l.width;
    l.served = i && serves(layers_[i - 1], l);
    l.place = l.served && !l.adds ? 0 : reserve(count);
    if (l.prepare == Prepare::Gain) states_.insert(states_.end(), l.drift > 0 ? 2 : 1, 1);
    if (l.remembers) states_.push_back(l.left * l.inputs);
    if (!l.int8) continue;
    if (l.inputs == 1) return "a layer of the plan does what it cannot do there";
    exact_ = true;
    l.byte_place = bytes;
    bytes += whole(count + kSlack, 64);
    if (bytes > 4 * kMostFloats) return "the plan asks for memory beyond reason";
  }
  if (style_.styles) {
    const auto rows = [&](std::size_t numbers) { return reserve(voices_ * whole(numbers, kPanel)); };
    states_.push_back(style_.styles);
    style_.worn = rows(style_.styles), style_.heard = rows(style_.hear.outputs), style_.gated = rows(style_.gate.outputs);
    style_.joined = rows(style_.move.inputs), style_.moved = rows(values_);
    style_.shown = reserve(2 * whole(values_, kPanel));
  }
  scratch_ = reserve(exact_ ? kScratchRows * whole(widest, kPanel) : 0);
  result_ = reserve(voices_ * whole(values_, kPanel));
  const Layer& first = layers_[0];
  const std::size_t padded = first.panels() * kPanel;
  scaled_ = first.prepare == Prepare::Window ? reserve(padded * (first.taps * (first.inputs / first.groups) + 1)) : 0;
  if (floats > kMostFloats) return "the plan asks for memory beyond reason";
  floats_ = Arena(floats * sizeof(float));
  bytes_ = Arena(bytes + kSlack);
  shaped_.resize(exact_ ? layers_.size() * kSteps : 0);
  tables_.resize(shaped_.size());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    connect(i);
    if (layers_[i].int8) make_tables(i);
  }
  return nullptr;
}

// Whether the layer before can write what this one multiplies as integers: nothing else is done to it, and no voice
// remembers it.
bool Plan::serves(const Layer& before, const Layer& l) noexcept {
  if (!l.int8 || l.remembers || l.prepare != Prepare::None) return false;
  if (before.groups > 1 && before.outputs / before.groups % kPanel) return false;
  for (std::size_t i = 1; before.int8 && i < l.inputs; ++i)
    if (l.inverse[i] != l.inverse[0]) return false;  // one table serves all channels
  return true;
}

// What an int8 layer's activation makes of each step of its grid, and what the next layer's grid makes of that; around
// the input of a layer that is served stand the integers of nought.
void Plan::make_tables(std::size_t index) noexcept {
  const Layer& l = layers_[index];
  float* const shaped = shaped_.data() + index * kSteps;
  for (std::size_t k = 0; k < kSteps; ++k) shaped[k] = (l.lowest + static_cast<float>(k)) * l.grid;
  kernels_.activate(l.activation, shaped, nullptr, kSteps);
  float inverse[kSteps] = {}, nothing[kPanel] = {};
  std::uint8_t made[kSteps];
  if (l.served) {
    kernels_.quantise(nothing, inverse, l.zero, 1, kPanel, made);
    std::memset(bytes_.data() + l.byte_place, made[0], voices_ * l.all_columns() * l.width);
  }
  if (index + 1 == layers_.size() || !layers_[index + 1].served) return;
  const Layer& next = layers_[index + 1];
  std::fill_n(inverse, kSteps, next.inverse[0]);
  kernels_.quantise(shaped, inverse, next.zero, 1, kSteps, made);
  std::copy_n(made, kSteps, tables_.data() + index * kSteps);
}

// Where a layer reads and writes.
void Plan::connect(std::size_t i) noexcept {
  Layer& l = layers_[i];
  const bool last = i + 1 == layers_.size();
  Conv& c = l.conv;
  c.voices = voices_, c.columns = l.columns_made();
  c.groups = l.groups, c.inputs = l.inputs / l.groups, c.outputs = l.outputs / l.groups;
  const bool whole_piece = l.groups == 1 && l.dilation == 1 && l.width == l.inputs;
  c.pieces = whole_piece ? 1 : l.taps, c.piece = whole_piece ? l.taps * l.inputs : c.inputs;
  c.step = l.dilation * l.width;
  c.first = l.left, c.end = l.left + l.columns;
  c.sparse = !l.remembers && !whole_piece && l.dilation == 1 && l.stride == 1;
  c.roomy = l.groups == 1 || c.outputs % kPanel == 0;
  c.activation = l.activation;
  c.weights = l.weights, c.bias = l.bias, c.start = l.start, c.scale = l.scale;
  c.grid = l.grid, c.lowest = l.lowest, c.highest = l.highest;
  c.in = l.int8 ? static_cast<const void*>(bytes_.data() + l.byte_place) : floats_.floats() + l.place;
  c.in_at = {l.all_columns() * l.width, l.stride * l.width};
  c.add = l.adds ? floats_.floats() + l.place + l.left * l.width : nullptr;
  c.add_at = {l.all_columns() * l.width, l.width};
  if (last) {
    c.out = floats_.floats() + result_;
    c.out_at = {whole(values_, kPanel), whole(values_, kPanel)};
  } else {
    const Layer& next = layers_[i + 1];
    const std::size_t width = next.inputs == 1 ? 1 : whole(next.inputs, kPanel);
    if (width % kPanel) c.roomy = false;
    c.out = next.served && !next.adds ? nullptr : floats_.floats() + next.place + next.left * width;
    c.out_at = {next.all_columns() * width, width};
    c.bytes = next.served ? bytes_.data() + next.byte_place + next.left * width : nullptr;
    c.inverse = next.inverse, c.zero = next.zero;
  }
  c.scratch = floats_.floats() + scratch_;
  c.shaped = shaped_.data() + (l.int8 ? i * kSteps : 0);
  c.table = tables_.data() + (l.int8 ? i * kSteps : 0);
  if (l.prepare != Prepare::Window) return;
  c.bias = floats_.floats() + scaled_;
  c.weights = c.bias + l.panels() * kPanel;
}

// Channels of columns packed side by side, or apart by what a layer's memory needs.
static void copy_columns(const float* from, std::size_t from_step, float* to, std::size_t to_step, std::size_t channels,
                         std::size_t columns) noexcept {
  if (from_step == channels && to_step == channels) {
    std::memcpy(to, from, channels * columns * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < columns; ++i)
    std::memcpy(to + i * to_step, from + i * from_step, channels * sizeof(float));
}

// Eight sums side by side: one would wait for itself at every sample.
static float sum(const float* x, std::size_t count) noexcept {
  float sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (std::size_t k = 0; k < 8; ++k) sums[k] += x[i + k];
  for (; i < count; ++i) sums[0] += x[i];
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

// Into the first layer's columns: the input, its level or its mean taken out. `before` and `after` are those of a
// run: what is held of each voice's energy, then, where the plan has one, its drift.
void Plan::take_input(const float* input, const float* const* before, float* const* after) noexcept {
  const Layer& l = layers_[0];
  const float count = static_cast<float>(samples_);
  for (std::size_t v = 0; v < voices_; ++v, input += samples_) {
    float* const to = floats_.floats() + l.place + v * l.all_columns() + l.left;
    if (l.prepare == Prepare::Gain) {
      const float* level = input;
      float rest = 0;  // of the hop's mean
      if (l.drift > 0) {
        const float was = before[1][v], next = was * l.drift + sum(input, samples_) / count * (1 - l.drift);
        const float now = std::fabs(next) < 1e-10f ? 0 : next;  // halved for seconds it would be a denormal, and slow
        const float step = (now - was) / count;
        for (std::size_t i = 0; i < samples_; ++i) to[i] = input[i] - (was + step * static_cast<float>(i + 1));
        after[1][v] = now, level = to, rest = sum(to, samples_) / count;
      }
      const float energy = kernels_.dot(level, level, samples_) / count - rest * rest;
      const float held = std::max(energy, before[0][v] * l.decay);
      const float factor = 1 / std::sqrt(held + l.eps);
      for (std::size_t i = 0; i < samples_; ++i) to[i] = level[i] * factor;
      after[0][v] = held;
      continue;
    }
    float mean = 0;
    if (l.prepare == Prepare::Window) {
      double total = 0;
      for (std::size_t i = 0; i < samples_; ++i) total += double{input[i]};
      mean = static_cast<float>(total / static_cast<double>(samples_));
    }
    for (std::size_t i = 0; i < samples_; ++i) to[i] = input[i] - mean;
  }
}

// The first layer's weights such that each of its channels has zero mean and unit variance over this window: both
// follow from the window's own moments, so the layer runs once and its output is never read for statistics.
void Plan::normalise_window(const Layer& l) noexcept {
  double sums[kMomentTaps], products[kMomentTaps][16];
  const std::size_t rows = l.columns_made(), panels = l.panels();
  kernels_.moments(floats_.floats() + l.place, rows, l.stride, l.taps, sums, products);
  float* const bias = floats_.floats() + scaled_;
  float* const weights = bias + panels * kPanel;
  const float* const given = reinterpret_cast<const float*>(l.weights);
  for (std::size_t c = 0; c < panels * kPanel; ++c) {
    const std::size_t at = c / kPanel * l.taps * kPanel + c % kPanel;
    double mean = 0, square = 0;
    for (std::size_t k = 0; k < l.taps; ++k) {
      const double w = double{given[at + k * kPanel]};
      double along = 0;
      for (std::size_t j = 0; j < l.taps; ++j) along += products[k][j] * double{given[at + j * kPanel]};
      mean += w * sums[k], square += w * along;
    }
    mean /= static_cast<double>(rows), square /= static_cast<double>(rows);
    const double variance = std::max(square - mean * mean, 0.0);
    const double scale = double{l.norm_weight[c]} / std::sqrt(variance + double{l.eps});
    for (std::size_t k = 0; k < l.taps; ++k)
      weights[at + k * kPanel] = static_cast<float>(double{given[at + k * kPanel]} * scale);
    bias[c] = static_cast<float>(double{l.norm_bias[c]} - mean * scale);
  }
}

void Plan::run_layer(std::size_t index) noexcept {
  const Layer& l = layers_[index];
  float* const input = floats_.floats() + l.place;
  if (l.prepare == Prepare::Window) normalise_window(l);
  if (l.prepare == Prepare::Channels)
    for (std::size_t v = 0; v < voices_; ++v)
      kernels_.norm(input + (v * l.all_columns() + l.left) * l.width, l.columns, l.inputs, l.width, l.norm_weight,
                    l.norm_bias, l.eps);
  if (!l.int8) {
    (exact_ ? kernels_.conv_exact : kernels_.conv)(l.conv);
    return;
  }
  if (!l.served)
    kernels_.quantise(input, l.inverse, l.zero, voices_ * l.all_columns(), l.width, bytes_.data() + l.byte_place);
  kernels_.conv_int8(l.conv);
}

void Plan::run(const float* input, const float* const* before, float* values, float* const* after) noexcept {
  std::size_t state = 0;
  take_input(input, before, after);
  if (layers_[0].prepare == Prepare::Gain) state = layers_[0].drift > 0 ? 2 : 1;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& l = layers_[i];
    float* const buffer = floats_.floats() + l.place;
    const std::size_t voice = l.all_columns() * l.width;
    if (l.remembers) {
      const std::size_t floats = states_[state];
      for (std::size_t v = 0; v < voices_; ++v) {
        copy_columns(before[state] + v * floats, l.inputs, buffer + v * voice, l.width, l.inputs, l.left);
        copy_columns(buffer + v * voice + l.columns * l.width, l.width, after[state] + v * floats, l.inputs, l.inputs,
                     l.left);
      }
      ++state;
    }
    run_layer(i);
  }
  if (style_.styles) run_style(before[state], after[state]);
  copy_columns(floats_.floats() + result_, whole(values_, kPanel), values, values_, values_, voices_);
}

}  // namespace fp::kernels
