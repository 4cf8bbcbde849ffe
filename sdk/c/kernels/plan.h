// A student as a chain of convolutions: read from the bytes that `export/lower/kernel_plan.py` writes, run by our kernels.
//
// Weights are used where the bytes have them. Everything else is one block of memory, made when the plan is opened:
// the input columns of every layer, with what it remembers or zeros beside them, so that a layer writes its output
// where the next one reads it.
//
// A student with styles (`distill/students/styled.py`) ends in three small layers more, which add to the values before
// tanh what an emotion adds; its style is the last state, given back as it was.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/arena.h"
#include "kernels.h"

namespace fp::kernels {

constexpr std::size_t kMostFloats = 1 << 26;  // of all buffers together
constexpr std::size_t kMomentTaps = 16;       // of a first layer whose channels are normed

constexpr std::size_t whole(std::size_t count, std::size_t of) { return (count + of - 1) / of * of; }

class Reader;  // of plan_read.cpp

class Plan {
 public:
  // For `voices` voices in a call.
  Plan(std::size_t voices, const Kernels& kernels) : voices_(voices), kernels_(kernels) {}

  // `bytes` must stay where they are and begin at a multiple of 16 bytes; nothing in them is trusted. Null, or what makes
  // them no plan of ours. Once.
  const char* open(const std::uint8_t* bytes, std::size_t size);

  std::size_t samples() const noexcept { return samples_; }  // of a voice's input
  std::size_t values() const noexcept { return values_; }    // of a voice's output
  std::size_t states() const noexcept { return states_.size(); }
  std::size_t state_floats(std::size_t state) const noexcept { return states_[state]; }  // of a voice
  std::size_t styles() const noexcept { return style_.styles; }  // strengths in the last state; 0 of most plans
  std::size_t workspace_bytes() const noexcept { return floats_.size() + bytes_.size(); }

  // (voices, samples) and the states -> (voices, values) and the states after. No heap; one call at a time. No output
  // may lie where an input does.
  void run(const float* input, const float* const* before, float* values, float* const* after) noexcept;

 private:
  struct Layer;
  enum class Prepare : std::uint32_t { None, Gain, Window, Channels };

  const char* read(const std::uint8_t* bytes, std::size_t size);
  const char* read_style(Reader& from);
  Layer read_layer(Reader& from, std::size_t index, std::size_t inputs) const;
  const char* lay_out();
  static bool serves(const Layer& before, const Layer& layer) noexcept;
  void make_tables(std::size_t index) noexcept;
  void connect(std::size_t index) noexcept;
  void take_input(const float* input, const float* const* before, float* const* after) noexcept;
  void normalise_window(const Layer& layer) noexcept;
  void run_layer(std::size_t index) noexcept;
  void run_style(const float* before, float* after) noexcept;
  void put_on(float* values, const float* moved) noexcept;

  struct Layer {
    std::size_t inputs, outputs, taps, stride, dilation, groups, left, right;
    bool remembers, adds, int8;
    Activation activation;
    Prepare prepare;
    const std::uint8_t* weights;
    const float *bias, *scale, *inverse, *norm_weight, *norm_bias;
    const std::int32_t* start;
    float eps, decay, zero, grid, lowest, highest, drift;
    // laid out
    std::size_t columns;  // of the input, without what lies beside them
    std::size_t width;    // of a column in memory
    std::size_t place;    // of its input in the floats
    std::size_t byte_place;  // of an int8 layer's input in the bytes
    bool served;             // these bytes come from the layer before, floats only if they are added
    Conv conv;

    std::size_t all_columns() const noexcept { return left + columns + right; }
    std::size_t panels() const noexcept { return groups * ((outputs / groups + kPanel - 1) / kPanel); }
    std::size_t columns_made() const noexcept { return (all_columns() - (taps - 1) * dilation - 1) / stride + 1; }
  };

  // Features through `hear`, a style through `gate`, the product of both and the style through `move`; none of most.
  struct Style {
    std::size_t styles = 0;
    Layer hear, gate, move;
    const float *row, *close;  // of the lip gap in cm; what mouthClose takes back of a centimetre
    float offset, closed_cm;   // of the gap; a gap that counts as shut
    std::size_t worn, heard, gated, joined, moved, shown;  // places: the styles, of each voice, then each layer's output
  };

  std::size_t voices_, samples_ = 0, values_ = 0;
  const Kernels& kernels_;
  Vector<Layer> layers_;
  Style style_;
  Vector<std::size_t> states_;
  std::size_t result_ = 0, scaled_ = 0;  // places of the last output, and of the first layer's scaled weights
  std::size_t scratch_ = 0;              // of rows whose floats nobody reads
  bool exact_ = false;                   // some layer is int8: floats before it must be the same everywhere
  Vector<float> shaped_;                 // 256 of each layer
  Vector<std::int32_t> tables_;
  Arena floats_{0}, bytes_{0};
};

}  // namespace fp::kernels
