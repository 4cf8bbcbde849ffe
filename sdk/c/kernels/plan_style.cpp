// What a style adds to a student's values: `StyleHead.values` of distill/students/styled.py, for every voice of a call.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "plan.h"

namespace fp::kernels {
namespace {

constexpr float kSteep = 1000;  // as distill/students/styled.py: a raise of 0.001 begins at what is shown already

// A layer of one column, of rows that begin at whole panels.
Conv column(std::size_t voices, std::size_t inputs, std::size_t outputs, const std::uint8_t* weights, const float* bias,
            Activation activation, const float* in, float* out) noexcept {
  Conv c{};
  c.voices = voices, c.columns = 1, c.groups = 1;
  c.inputs = inputs, c.outputs = outputs;
  c.pieces = 1, c.piece = inputs, c.end = 1, c.roomy = true;
  c.activation = activation;
  c.weights = weights, c.bias = bias;
  c.in = in, c.in_at = {whole(inputs, kPanel), whole(inputs, kPanel)};
  c.out = out, c.out_at = {whole(outputs, kPanel), whole(outputs, kPanel)};
  return c;
}

bool is_neutral(const float* style, std::size_t styles) noexcept {
  return std::all_of(style, style + styles, [](float strength) { return strength == 0; });
}

}  // namespace

void Plan::run_style(const float* before, float* after) noexcept {
  const Style& s = style_;
  float* const floats = floats_.floats();
  const std::size_t width = whole(values_, kPanel), rank = s.hear.outputs;
  std::memcpy(after, before, voices_ * s.styles * sizeof(float));
  if (!is_neutral(before, voices_ * s.styles)) {
    const auto rows = [this, floats](std::size_t place, std::size_t numbers, std::size_t voice) {
      return floats + place + voice * whole(numbers, kPanel);
    };
    const auto run = [this](const Conv& c) { (exact_ ? kernels_.conv_exact : kernels_.conv)(c); };
    const auto through = [&](const Layer& l, std::size_t from, std::size_t to) {
      run(column(voices_, l.inputs, l.outputs, l.weights, l.bias, l.activation, floats + from, floats + to));
    };
    for (std::size_t v = 0; v < voices_; ++v)
      std::memcpy(rows(s.worn, s.styles, v), before + v * s.styles, s.styles * sizeof(float));
    through(s.gate, s.worn, s.gated);
    through(s.hear, layers_.back().place, s.heard);
    for (std::size_t v = 0; v < voices_; ++v) {
      float* const joined = rows(s.joined, s.move.inputs, v);
      const float *const heard = rows(s.heard, rank, v), *const gated = rows(s.gated, rank, v);
      for (std::size_t i = 0; i < rank; ++i) joined[i] = heard[i] * gated[i];
      std::memcpy(joined + rank, before + v * s.styles, s.styles * sizeof(float));
    }
    through(s.move, s.joined, s.moved);
  }
  for (std::size_t v = 0; v < voices_; ++v) {
    float* const values = floats + result_ + v * width;
    if (is_neutral(before + v * s.styles, s.styles)) kernels_.activate(Activation::Tanh, values, nullptr, width);
    else put_on(values, floats + s.moved + v * width);
  }
}

// One voice's values before tanh -> its values in the style: `LipKeeper` between the neutral ones and those moved.
void Plan::put_on(float* values, const float* moved) noexcept {
  const Style& s = style_;
  const std::size_t width = whole(values_, kPanel);
  float* const shown = floats_.floats() + style_.shown;
  const auto gap = [&](const float* given) {
    for (std::size_t i = 0; i < values_; ++i) shown[i] = std::max(given[i], 0.0f);
    return kernels_.dot(shown, s.row, values_) + s.offset;
  };
  float* const neutral = shown + width;
  std::copy_n(values, values_, neutral);
  kernels_.activate(Activation::Tanh, neutral, nullptr, width);
  const float before = gap(neutral);
  for (std::size_t i = 0; i < values_; ++i) values[i] += moved[i];
  kernels_.activate(Activation::Tanh, values, nullptr, width);
  const float shut = std::clamp(3 - before / s.closed_cm, 0.0f, 1.0f);
  const float opened = std::max(gap(values) - before, 0.0f) * shut;
  for (std::size_t i = 0; i < values_; ++i) {
    const float by = opened * s.close[i];
    values[i] = values[i] + by + std::min(std::max(-values[i], 0.0f), by * kSteep);
  }
}

}  // namespace fp::kernels
