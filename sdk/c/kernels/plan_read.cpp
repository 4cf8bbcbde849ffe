// A plan's numbers, each checked before it is believed.
#include <cmath>
#include <cstring>

#include "plan.h"

namespace fp::kernels {
namespace {

constexpr std::uint32_t kMagic = 0x504B4654;                // "TFKP"
constexpr std::uint32_t kVersion = 1, kStyledVersion = 2;  // as far as a plan needs: a reader of 1 refuses styles in words
constexpr std::size_t kHeaderWords = 16, kLayerWords = 32, kMostLayers = 256, kMostStyles = 256;
constexpr std::size_t kStyleWord = 5;  // of the header: how many styles, two arrays, two numbers
constexpr std::size_t kMostWide = 4096, kMostTaps = 1024, kMostColumns = 1 << 20;
constexpr double kMostProducts = 4e9;  // of a call: a second

}  // namespace

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
  void complain(const char* why) {
    if (!bad_) bad_ = why;
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
  const std::uint8_t* bytes_;
  std::size_t size_, at_ = 0;
  const char* bad_ = nullptr;
};

// The shape, the arrays and the numbers of one layer; what the layers around it allow is asked by who reads them.
Plan::Layer Plan::read_layer(Reader& from, std::size_t index, std::size_t inputs) const {
  from.at(kHeaderWords + index * kLayerWords);
  Layer l{};
  l.inputs = from.within(inputs, inputs), l.outputs = from.within(1, kMostWide);
  l.taps = from.within(1, kMostTaps), l.stride = from.within(1, kMostTaps), l.dilation = from.within(1, kMostTaps);
  l.groups = from.within(1, kMostWide), l.left = from.within(0, kMostColumns), l.right = from.within(0, kMostColumns);
  l.remembers = from.flag(), l.adds = from.flag(), l.int8 = from.flag();
  l.activation = static_cast<Activation>(from.within(0, 5));
  l.prepare = static_cast<Prepare>(from.within(0, 3));
  if (l.inputs % l.groups || l.outputs % l.groups) from.complain("a layer of the plan has no possible shape");
  if (from.bad()) return l;
  const std::size_t inside = l.inputs / l.groups, padded = l.panels() * kPanel;
  l.weights = from.array(std::uint64_t{padded} * l.taps * (l.int8 ? whole(inside, kQuad) : inside * sizeof(float)));
  l.bias = from.floats(padded);
  l.start = reinterpret_cast<const std::int32_t*>(from.array(l.int8 ? padded * 4 : 0));
  l.scale = from.floats(l.int8 ? padded : 0);
  l.inverse = from.floats(l.int8 ? whole(l.inputs, kPanel) : 0);
  const std::size_t normed = l.prepare == Prepare::Window ? padded : l.prepare == Prepare::Channels ? l.inputs : 0;
  l.norm_weight = from.floats(normed), l.norm_bias = from.floats(normed);
  l.eps = from.number(), l.decay = from.number(), l.zero = from.number();
  l.grid = from.number(), l.lowest = from.number(), l.highest = from.number(), l.drift = from.number();
  if (l.int8 && !(l.highest - l.lowest == 255 && l.lowest >= -512 && l.lowest <= 512 &&
                  l.lowest == static_cast<float>(static_cast<int>(l.lowest))))
    from.complain("a grid of the plan has not 256 steps");
  if (l.eps < 0 || std::fabs(l.zero) > 128 || l.drift < 0 || l.drift >= 1)
    from.complain("a number in the plan is out of its range");
  return l;
}

const char* Plan::read(const std::uint8_t* bytes, std::size_t size) {
  if (size < kHeaderWords * 4) return "the plan ends too early";
  Reader from(bytes, size);
  if (from.word() != kMagic) return "it is not a plan";
  const std::uint32_t version = from.word();
  if (version != kVersion && version != kStyledVersion) return "the plan is of another version";
  const std::size_t count = from.within(1, kMostLayers);
  samples_ = from.within(1, kMostColumns);
  values_ = from.within(1, kMostWide);
  std::size_t columns = samples_, channels = 1;
  double products = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (from.bad()) return from.bad();
    Layer l = read_layer(from, i, channels);
    if (from.bad()) return from.bad();
    l.columns = columns;
    if ((l.taps - 1) * l.dilation >= l.all_columns() || (l.remembers && (!l.left || l.right)))
      return "a layer of the plan has no possible shape";
    columns = l.columns_made(), channels = l.outputs;
    products += double(voices_ * columns) * double(l.taps) * double(l.outputs) * double(l.inputs / l.groups);
    if (products > kMostProducts) return "the plan asks for work beyond reason";
    const bool first = i == 0, window = l.prepare == Prepare::Window;
    if ((l.adds && (columns != l.columns || l.inputs != l.outputs)) || (l.prepare == Prepare::Gain && !first) ||
        (first && (l.int8 || l.adds)) ||
        (window && (!first || l.taps > kMomentTaps || l.left || l.right || voices_ > 1)))
      return "a layer of the plan does what it cannot do there";
    layers_.push_back(l);
  }
  if (columns != 1 || channels != values_) return "the plan does not end in one column of values";
  return version == kStyledVersion ? read_style(from) : nullptr;
}

// Behind the chain: three layers of one column each, and what keeps lips shut.
const char* Plan::read_style(Reader& from) {
  Style& s = style_;
  const Layer& last = layers_.back();
  from.at(kStyleWord);
  s.styles = from.within(1, kMostStyles);
  s.row = from.floats(values_), s.close = from.floats(values_);
  s.offset = from.number(), s.closed_cm = from.number();
  s.hear = read_layer(from, layers_.size(), last.inputs);
  s.gate = read_layer(from, layers_.size() + 1, s.styles);
  s.move = read_layer(from, layers_.size() + 2, s.hear.outputs + s.styles);
  if (from.bad()) return from.bad();
  const double products = double(s.hear.outputs) * double(last.inputs + s.styles) + double(s.move.inputs) * double(values_);
  if (double(voices_) * products > kMostProducts) return "the plan asks for work beyond reason";
  const auto plain = [](const Layer& l) {
    return l.taps == 1 && l.stride == 1 && l.groups == 1 && !l.left && !l.right && !l.remembers && !l.adds && !l.int8 &&
           l.prepare == Prepare::None;
  };
  if (!plain(s.hear) || !plain(s.gate) || !plain(s.move) || !plain(last) || last.inputs == 1 ||
      s.gate.outputs != s.hear.outputs || s.move.outputs != values_ || last.activation != Activation::None ||
      !(s.closed_cm > 0))
    return "the plan's styles do what they cannot do there";
  return nullptr;
}

}  // namespace fp::kernels
