#include "plan.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fp::kernels {
namespace {

constexpr std::uint32_t kMagic = 0x504B4654, kVersion = 1;  // "TFKP"
constexpr std::size_t kHeaderWords = 16, kLayerWords = 32, kMostLayers = 256;
constexpr std::size_t kMostWide = 4096, kMostTaps = 1024, kMostColumns = 1 << 20, kMostFloats = 1 << 26;
constexpr double kMostProducts = 4e9;  // of a call: a second
constexpr std::size_t kMomentTaps = 16;
constexpr std::size_t kSlack = 16;  // numbers behind a buffer, which kernels may read

std::size_t whole(std::size_t count, std::size_t of) { return (count + of - 1) / of * of; }

// Fields in the order of export/lower/kernel_plan.py.
class Reader {
 public:
  Reader(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes), size_(size) {}

  // The first complaint, or null. What is read after it is `low`, zero or the plan's beginning.
  const char* bad() const { return bad_; }
  void at(std::size_t word) { at_ = word * 4; }
  std::uint32_t word() {
    std::uint32_t value = 0;
    if (size_ < 4 || at_ > size_ - 4) complain("the plan ends too early");
    else std::memcpy(&value, bytes_ + at_, 4);
    at_ += 4;
    return value;
  }
  std::size_t within(std::size_t low, std::size_t high) {
    const std::size_t value = word();
    if (value >= low && value <= high) return value;
    complain("a number in the plan is out of its range");
    return low;
  }
  bool flag() { return within(0, 1) == 1; }
  float number() {
    const std::uint32_t bits = word();
    float value;
    std::memcpy(&value, &bits, 4);
    if (std::isfinite(value)) return value;
    complain("a number in the plan is not finite");
    return 0;
  }
  // An array of `bytes` bytes, by where it begins.
  const std::uint8_t* array(std::uint64_t bytes) {
    const std::size_t from = word();
    if (from % 64 == 0 && from <= size_ && bytes <= size_ - from) return bytes_ + from;
    complain("an array of the plan lies outside it");
    return bytes_;
  }
  const float* floats(std::uint64_t count) { return reinterpret_cast<const float*>(array(count * sizeof(float))); }

 private:
  void complain(const char* why) {
    if (!bad_) bad_ = why;
  }

  const std::uint8_t* bytes_;
  std::size_t size_, at_ = 0;
  const char* bad_ = nullptr;
};

}  // namespace

const char* Plan::open(const std::uint8_t* bytes, std::size_t size) {
  if (reinterpret_cast<std::uintptr_t>(bytes) % 16) return "the plan does not lie on a multiple of 16 bytes";
  if (!voices_ || voices_ > 1024) return "the plan is for no voice, or for too many";
  const char* const bad = read(bytes, size);
  return bad ? bad : lay_out();
}

const char* Plan::read(const std::uint8_t* bytes, std::size_t size) {
  if (size < kHeaderWords * 4) return "the plan ends too early";
  Reader from(bytes, size);
  if (from.word() != kMagic) return "it is not a plan";
  if (from.word() != kVersion) return "the plan is of another version";
  const std::size_t count = from.within(1, kMostLayers);
  samples_ = from.within(1, kMostColumns);
  values_ = from.within(1, kMostWide);
  std::size_t columns = samples_, channels = 1;
  double products = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (from.bad()) return from.bad();
    from.at(kHeaderWords + i * kLayerWords);
    Layer l{};
    l.inputs = from.within(channels, channels), l.outputs = from.within(1, kMostWide);
    l.taps = from.within(1, kMostTaps), l.stride = from.within(1, kMostTaps), l.dilation = from.within(1, kMostTaps);
    l.groups = from.within(1, kMostWide), l.left = from.within(0, kMostColumns), l.right = from.within(0, kMostColumns);
    l.remembers = from.flag(), l.adds = from.flag(), l.int8 = from.flag();
    l.activation = static_cast<Activation>(from.within(0, 5));
    l.prepare = static_cast<Prepare>(from.within(0, 3));
    l.columns = columns;
    if (from.bad()) return from.bad();
    if (l.inputs % l.groups || l.outputs % l.groups || (l.taps - 1) * l.dilation >= l.all_columns() ||
        (l.remembers && (!l.left || l.right)))
      return "a layer of the plan has no possible shape";
    columns = l.columns_made(), channels = l.outputs;
    products += double(voices_ * columns) * double(l.taps) * double(l.outputs) * double(l.inputs / l.groups);
    if (products > kMostProducts) return "the plan asks for work beyond reason";
    const bool first = i == 0, window = l.prepare == Prepare::Window;
    if ((l.adds && (columns != l.columns || l.inputs != l.outputs)) || (l.prepare == Prepare::Gain && !first) ||
        (first && (l.int8 || l.adds)) ||
        (window && (!first || l.taps > kMomentTaps || l.left || l.right || voices_ > 1)))
      return "a layer of the plan does what it cannot do there";
    const std::size_t inside = l.inputs / l.groups, padded = l.panels() * kPanel;
    l.weights = from.array(std::uint64_t{padded} * l.taps * (l.int8 ? whole(inside, kQuad) : inside * sizeof(float)));
    l.bias = from.floats(padded);
    l.start = reinterpret_cast<const std::int32_t*>(from.array(l.int8 ? padded * 4 : 0));
    l.scale = from.floats(l.int8 ? padded : 0);
    l.inverse = from.floats(l.int8 ? whole(l.inputs, kPanel) : 0);
    const std::size_t normed = window ? padded : l.prepare == Prepare::Channels ? l.inputs : 0;
    l.norm_weight = from.floats(normed), l.norm_bias = from.floats(normed);
    l.eps = from.number(), l.decay = from.number(), l.zero = from.number();
    l.grid = from.number(), l.lowest = from.number(), l.highest = from.number(), l.drift = from.number();
    if (l.eps < 0 || std::fabs(l.zero) > 128 || l.drift < 0 || l.drift >= 1)
      return "a number in the plan is out of its range";
    layers_.push_back(l);
  }
  if (from.bad()) return from.bad();
  if (columns != 1 || channels != values_) return "the plan does not end in one column of values";
  return nullptr;
}

const char* Plan::lay_out() {
  std::size_t floats = 0, bytes = 0;
  const auto reserve = [&floats](std::size_t count) {  // beyond kMostFloats there is no more to give
    const std::size_t place = floats;
    floats = count > kMostFloats || floats > kMostFloats ? kMostFloats + 1 : floats + whole(count + kSlack, kPanel);
    return place;
  };
  for (Layer& l : layers_) {
    l.width = l.inputs == 1 ? 1 : whole(l.inputs, kPanel);
    if (l.all_columns() > kMostFloats / voices_ / l.width) return "the plan asks for memory beyond reason";
    const std::size_t count = voices_ * l.all_columns() * l.width;
    l.place = reserve(count);
    if (l.prepare == Prepare::Gain) states_.insert(states_.end(), l.drift > 0 ? 2 : 1, 1);
    if (l.remembers) states_.push_back(l.left * l.inputs);
    if (!l.int8) continue;
    if (l.inputs == 1) return "a layer of the plan does what it cannot do there";
    bytes = std::max(bytes, count);
  }
  result_ = reserve(voices_ * whole(values_, kPanel));
  const Layer& first = layers_[0];
  const std::size_t padded = first.panels() * kPanel;
  scaled_ = first.prepare == Prepare::Window ? reserve(padded * (first.taps * (first.inputs / first.groups) + 1)) : 0;
  if (floats > kMostFloats) return "the plan asks for memory beyond reason";
  floats_ = Arena(floats * sizeof(float));
  bytes_ = Arena(bytes + kSlack);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
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
    c.in = l.int8 ? static_cast<const void*>(bytes_.data()) : floats_.floats() + l.place;
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
      c.out = floats_.floats() + next.place + next.left * width;
      c.out_at = {next.all_columns() * width, width};
    }
    if (l.prepare != Prepare::Window) continue;
    c.bias = floats_.floats() + scaled_;
    c.weights = c.bias + padded;
  }
  return nullptr;
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
      const float energy = kernels_.energy(level, samples_) / count - rest * rest;
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
    kernels_.conv(l.conv);
    return;
  }
  kernels_.quantise(input, l.inverse, l.zero, voices_ * l.all_columns(), l.width, bytes_.data());
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
  copy_columns(floats_.floats() + result_, whole(values_, kPanel), values, values_, values_, voices_);
}

}  // namespace fp::kernels
