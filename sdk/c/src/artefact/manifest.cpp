#include "artefact/manifest.h"

#include <algorithm>
#include <cmath>

#include "artefact/json.h"

namespace fp {
namespace {

using Kind = Json::Kind;

constexpr double kMostWhole = 9007199254740992.0;  // 2^53: beyond it a double skips whole numbers
constexpr std::size_t kMostChannels = 4096;
constexpr double kLargestNumber = 1000000;  // of a channel's range: what a float32 cannot hold would be infinite frames
constexpr double kLongestWindow = 960000;  // a minute
constexpr double kLongestDelay = 16000;    // a second: what a stream student may look ahead
constexpr std::size_t kMostTensors = 256, kMostDimensions = 7;
constexpr double kMostStateFloats = 1 << 20, kMostVoices = 1024;
constexpr double kSchema = 2;
constexpr std::size_t kMostProblems = 1024;  // letters of them: a message holds half of it

struct Field {
  const char* name;
  Kind kind;
};
constexpr Field kFields[] = {
    {"schema", Kind::Number},         {"student", Kind::Text},          {"kind", Kind::Text},
    {"runtime", Kind::Text},          {"backend", Kind::Text},          {"precision", Kind::Text},
    {"sample_rate_hz", Kind::Number}, {"window_samples", Kind::Number}, {"future_samples", Kind::Number},
    {"state", Kind::List},            {"crowd_voices", Kind::Number},   {"fps", Kind::List},
    {"ensemble", Kind::List},         {"history", Kind::Text},          {"names", Kind::List},
    {"minimum", Kind::List},          {"maximum", Kind::List},          {"neutral", Kind::List},
    {"parameters", Kind::Number},     {"weights_sha256", Kind::Text},   {"tools", Kind::Object},
    {"training", Kind::Object},       {"scores", Kind::Object}};

class Checker {
 public:
  explicit Checker(const Json& root) : root_(root) {
    if (root.kind != Kind::Object) say("it is not a JSON object");
    const Json* const schema = root.find("schema");
    if (schema && schema->whole && schema->number != kSchema) {  // another one has other fields: name only the reason
      const bool told = std::fabs(schema->number) <= kMostWhole;
      say("schema is " + (told ? number(static_cast<long long>(schema->number)) : String("no such number")) +
          ", this version reads 2");
      return;
    }
    for (const Field& field : kFields) {
      const Json* value = root.find(field.name);
      if (!value) say(String(field.name) + " is missing");
      else if (value->kind != field.kind) say(String(field.name) + " is of another type");
    }
    for (const String& key : root.keys)
      if (std::none_of(std::begin(kFields), std::end(kFields), [&](const Field& f) { return key == f.name; }))
        say(key + " is unknown");
  }

  void say(const String& problem) {
    if (problems_.size() < kMostProblems) problems_ += (problems_.empty() ? "" : "; ") + problem;
  }
  // What was said until now. After the first time: every field is there and of its type.
  Failure found() const {
    if (problems_.empty()) return {};
    return {FP_BAD_MANIFEST, "manifest: " + problems_ + ". Export the artefact again"};
  }

  const String& text(const char* name) const { return root_.find(name)->text; }
  const Vector<Json>& list(const char* name) const { return root_.find(name)->list; }

  // A whole number within [low, high], or low after a complaint.
  double whole(const Json& value, const char* name, double low, double high) {
    if (value.kind == Kind::Number && value.whole && value.number >= low && value.number <= high) return value.number;
    say(String(name) + " is no whole number within its range");
    return low;
  }
  double whole(const char* name, double low, double high) { return whole(*root_.find(name), name, low, high); }

  Vector<double> numbers(const char* name) {
    Vector<double> out;
    for (const Json& value : list(name)) {
      if (value.kind != Kind::Number || !(std::abs(value.number) <= kLargestNumber))
        say(String(name) + " holds what is no number within a million");
      out.push_back(value.number);
    }
    return out;
  }

 private:
  const Json& root_;
  String problems_;
};

void read_rig(Checker& check, Manifest& out) {
  for (const Json& name : check.list("names")) {
    if (name.kind != Kind::Text || name.text.find('\0') != std::string::npos) check.say("names holds no text");
    out.names.push_back(name.text);
  }
  const std::size_t count = out.names.size();
  if (!count || count > kMostChannels) check.say("the rig has " + number(static_cast<long long>(count)) + " channels");
  Vector<String> sorted = out.names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) check.say("channel " + *twice + " is named twice");
  const Vector<double> low = check.numbers("minimum"), high = check.numbers("maximum"),
                            rest = check.numbers("neutral");
  if (low.size() != count || high.size() != count || rest.size() != count) {
    check.say("minimum, maximum and neutral do not have a value for each channel");
    return;
  }
  for (std::size_t i = 0; i < count; ++i)
    if (!(low[i] <= rest[i] && rest[i] <= high[i])) check.say(out.names[i] + ": needs minimum <= neutral <= maximum");
  const auto narrow = [](const Vector<double>& from) { return Vector<float>(from.begin(), from.end()); };
  out.minimum = narrow(low), out.maximum = narrow(high), out.neutral = narrow(rest);
}

void read_clock(Checker& check, Manifest& out) {
  if (check.whole("sample_rate_hz", 0, kMostWhole) != 16000) check.say("sample_rate_hz is not 16000");
  out.window_samples = static_cast<std::uint32_t>(check.whole("window_samples", 1, kLongestWindow));
  out.future_samples = static_cast<std::uint32_t>(check.whole("future_samples", 0, kLongestWindow));
  const double longest = out.is_stream() ? kLongestDelay : out.window_samples;
  if (out.future_samples > longest) check.say("future_samples is not within window_samples, or of a stream one second");
  const Vector<Json>& fps = check.list("fps");
  if (fps.size() != 2) {
    check.say("fps is not [numerator, denominator]");
  } else {
    out.fps_numerator = static_cast<std::uint32_t>(check.whole(fps[0], "fps", 1, 1e6));
    out.fps_denominator = static_cast<std::uint32_t>(check.whole(fps[1], "fps", 1, 1e6));
    const double rate = double(out.fps_numerator) / out.fps_denominator;
    if (rate < 1 || rate > 240) check.say("fps is not within 1 to 240");
  }
  out.ensemble = check.numbers("ensemble");
  double sum = 0;
  bool inside = true;
  for (const double weight : out.ensemble) sum += weight, inside = inside && weight >= 0 && weight <= 1;
  if (!out.ensemble.empty() && (out.ensemble.size() != 3 || !inside || std::fabs(sum - 1) > 1e-6))
    check.say("ensemble is not three weights that sum to 1");
}

void read_state(Checker& check, Manifest& out) {
  double floats = 0;
  bool sane = check.list("state").size() <= kMostTensors;
  for (const Json& shape : check.list("state")) {
    sane = sane && shape.kind == Kind::List && !shape.list.empty() && shape.list.size() <= kMostDimensions;
    double count = 1;
    Shape sizes;
    for (std::size_t i = 0; sane && i < shape.list.size(); ++i) {
      const Json& size = shape.list[i];
      sane = size.kind == Kind::Number && size.whole && size.number >= 1 && (count *= size.number) <= kMostStateFloats;
      if (sane) sizes.push_back(static_cast<std::int32_t>(size.number));
    }
    sane = sane && (floats += count) <= kMostStateFloats;
    out.state.push_back(std::move(sizes));
  }
  if (!sane) check.say("state is not the shapes of a stream's state");
  out.crowd_voices = static_cast<std::uint32_t>(check.whole("crowd_voices", 0, kMostVoices));
  if (out.kind == "window" && (!out.state.empty() || out.crowd_voices))
    check.say("a window student has neither state nor crowd_voices");
  if (out.is_stream() && out.state.empty()) check.say("a stream student has a state");
}

void read_styles(Checker& check, const Json& training, Manifest& out) {
  const Json* const styles = training.find("styles");
  if (!styles || (styles->kind == Kind::List && styles->list.empty())) return;
  bool sane = styles->kind == Kind::List && out.is_stream() && !out.state.empty();
  for (const Json& name : styles->list) {
    sane = sane && name.kind == Kind::Text && name.text.find('\0') == std::string::npos;
    out.styles.push_back(name.text);
  }
  Vector<String> sorted = out.styles;
  std::sort(sorted.begin(), sorted.end());
  sane = sane && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  if (!sane || out.state.back() != Shape{static_cast<std::int32_t>(out.styles.size()), 1, 1})
    check.say("styles are not names for the last tensor of its state");
}

}  // namespace

Failure parse_manifest(std::string_view json, Manifest* manifest) {
  Json root;
  const auto told_to_people = [](std::string_view within, std::string_view key) {
    return within.empty() ? key == "tools" || key == "scores" : within == "training" && key != "styles";
  };
  if (auto failure = parse_json(json, &root, told_to_people)) return failure;
  Checker check(root);
  if (auto failure = check.found()) return failure;
  Manifest out;
  check.whole("schema", kSchema, kSchema);
  out.student = check.text("student"), out.kind = check.text("kind"), out.runtime = check.text("runtime");
  out.backend = check.text("backend"), out.precision = check.text("precision");
  if (out.kind != "window" && out.kind != "stream") check.say("kind is neither window nor stream");
  if (check.text("history") != "zeros") check.say("history is not zeros");
  out.parameters = static_cast<std::uint64_t>(check.whole("parameters", 0, kMostWhole));
  read_clock(check, out);
  read_state(check, out);
  read_rig(check, out);
  read_styles(check, *root.find("training"), out);
  *manifest = std::move(out);
  return check.found();
}

}  // namespace fp
