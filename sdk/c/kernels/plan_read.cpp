// A plan's numbers, each checked before it is believed.
#include <cmath>
#include <cstring>

#include "plan.h"

namespace fp::kernels {
namespace {

constexpr std::uint32_t kMagic = 0x504B4654, kVersion = 1;  // "TFKP"
constexpr std::size_t kHeaderWords = 16, kLayerWords = 32, kMostLayers = 256;
constexpr std::size_t kMostWide = 4096, kMostTaps = 1024, kMostColumns = 1 << 20;
constexpr double kMostProducts = 4e9;  // of a call: a second

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
    if (l.int8 && !(l.highest - l.lowest == 255 && l.lowest >= -512 && l.lowest <= 512 &&
                    l.lowest == static_cast<float>(static_cast<int>(l.lowest))))
      return "a grid of the plan has not 256 steps";
    if (l.eps < 0 || std::fabs(l.zero) > 128 || l.drift < 0 || l.drift >= 1)
      return "a number in the plan is out of its range";
    layers_.push_back(l);
  }
  if (from.bad()) return from.bad();
  if (columns != 1 || channels != values_) return "the plan does not end in one column of values";
  return nullptr;
}

}  // namespace fp::kernels
