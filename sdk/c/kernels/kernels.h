// The vector kernels of our students: plain pointers and shapes, no runtime, no heap, no threads, no failure.
//
// A layer is a matrix product: row `t` of its input is the stretch of columns that output column t sees, which lies in
// one piece because channels are innermost. Weights lie in panels of 16 outputs, the same for every instruction set,
// so they are used where the file has them:
//
//     float   [group][panel][tap][input][16]            int8   [group][panel][tap][input / 4][16][4]
//
// Each instruction set has its own unit (`unit_*.cpp`, all of `unit.inc`); `best()` chooses when the program runs.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fp::kernels {

constexpr std::size_t kPanel = 16;  // outputs of a panel: one cache line of float
constexpr std::size_t kQuad = 4;    // inputs that an int8 kernel multiplies at once

enum class Activation : std::uint32_t { None, Gelu, Relu, Tanh, Square, LogEnergy };

// Where the columns of some voices lie, in numbers: voice v, column t begins at v * voice + t * column.
struct Places {
  std::size_t voice, column;
};

// out = activation(weights x in + bias) + add, for every voice and column.
struct Conv {
  std::size_t voices, columns;  // of the output
  std::size_t inputs, outputs;  // of one group
  std::size_t groups;
  // what a column sees: `pieces` stretches of `piece` numbers, `step` apart (one stretch if nothing lies between)
  std::size_t pieces, piece, step;
  // pieces that hold nothing but zeros may be left out: of output column t, those before first - t, from end - t on
  std::size_t first, end;
  bool sparse;
  bool roomy;  // whole panels may be written: what lies behind the last output of a column is padding
  Activation activation;
  const void* weights;
  const float* bias;  // [group][panel][16]
  const void* in;     // float, or unsigned 8 bit: integer + 128
  Places in_at;       // `column` of an output column: stride included
  float* out;         // or null where nobody reads floats
  Places out_at;      // of `bytes` too
  std::uint8_t* bytes;      // what the next layer reads, as its integers; or null
  const float* inverse;     // these integers' grid, as `quantise` has it: of a float layer that gives bytes
  float zero;
  float* scratch;           // of a float layer without `out`: six rows
  const float* add;  // or null
  Places add_at;
  // int8 only, as bias: what an accumulator begins with, and steps of its sum; the grid of the result
  const std::int32_t* start;
  const float* scale;
  float grid, lowest, highest;  // step of the grid, and its ends in steps from zero, 255 apart
  const float* shaped;          // 256: what the activation makes of each step, from the lowest on
  const std::int32_t* table;    // 256: that as the integers of `bytes`
};

struct Kernels {
  const char* name;
  void (*conv)(const Conv&);
  // Sums in one order, rounded at every product: the same numbers on every processor, which integers behind them ask
  // for. A rounding more or less would be a step of their grid where a number lies between two.
  void (*conv_exact)(const Conv&);
  void (*conv_int8)(const Conv&);
  // The activation of `count` numbers in place, then what is to be added, or null; exact.
  void (*activate)(Activation activation, float* out, const float* add, std::size_t count);
  // Rows of `count` numbers to a grid: round(x * inverse[i]) + zero within -128..127, + 128. `count`: a multiple of 16.
  void (*quantise)(const float* x, const float* inverse, float zero, std::size_t rows, std::size_t count,
                   std::uint8_t* out);
  // Each of `rows` rows of `count` numbers, `step` apart, to zero mean and unit variance, times weight, plus bias.
  void (*norm)(float* x, std::size_t rows, std::size_t count, std::size_t step, const float* weight, const float* bias,
               float eps);
  // Sum of the products of two rows of `count` numbers; exact, and so are norms and moments.
  float (*dot)(const float* x, const float* y, std::size_t count);
  // sums[k] of x[t + k] and products[k][l] of x[t + k] x[t + l], over t = 0, stride, ... (rows of them); k, l < 16.
  // Reads 16 numbers at each t.
  void (*moments)(const float* x, std::size_t rows, std::size_t stride, std::size_t taps, double* sums,
                  double (*products)[16]);
};

// Of the instruction set that this processor has; never null. `name`: one of those that `all` lists, or null.
const Kernels* best(const char* name = nullptr) noexcept;

}  // namespace fp::kernels
