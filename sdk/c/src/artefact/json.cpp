#include "artefact/json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace fp {
namespace {

constexpr int kDeepest = 64;
constexpr int kMostDigits = 19;  // that 64 bits hold
constexpr int kFarthest = 400;   // powers of ten beyond which a double is zero or infinite

// `digits` times ten to the power of `exponent`: the nearest double for up to 15 digits and 22 places, which is what a
// manifest holds, within a few of its last bits for others.
double decimal(std::uint64_t digits, int exponent) {
  double value = static_cast<double>(digits), power = 1, ten = 10;
  for (unsigned left = static_cast<unsigned>(exponent < 0 ? -exponent : exponent); left; left >>= 1, ten *= ten)
    if (left & 1) power *= ten;
  if (!digits) return 0;
  if (exponent >= 0) return value * power;
  return std::isinf(power) ? 0 : value / power;
}

class Reader {
 public:
  Reader(std::string_view text, Skipped skipped) : text_(text), skipped_(skipped) {}

  Failure document(Json* root) {
    *root = any(0);
    skip_space();
    if (at_ != text_.size()) stop("text after the end");
    if (!why_) return {};
    return {FP_BAD_MANIFEST, String("manifest is not JSON: ") + why_ + " at byte " + number_of(where_)};
  }

 private:
  // The first complaint stands; the text then has no more signs, so that every loop below ends.
  void stop(const char* why) {
    if (why_) return;
    why_ = why, where_ = at_;
    text_ = {};
    at_ = 0;
  }
  static String number_of(std::size_t value) { return fp::number(static_cast<long long>(value)); }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(std::string_view word) {
    if (text_.size() - at_ < word.size() || text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void need(char wanted) {
    skip_space();
    if (at_ < text_.size() && text_[at_] == wanted) ++at_;
    else stop("a sign is missing");
  }

  Json any(int depth) {
    Json value;
    if (depth > kDeepest) {
      stop("nested too deep");
      return value;
    }
    skip_space();
    const char first = peek();
    if (first == '{') return object(depth);
    if (first == '[') return list(depth);
    if (first == '"') {
      value.kind = Json::Kind::Text;
      value.text = string();
    } else if (take("null")) {
    } else if (take("true") || take("false")) {
      value.kind = Json::Kind::Bool;
      value.number = first == 't' ? 1.0 : 0.0;
    } else {
      return number();
    }
    return value;
  }

  Json object(int depth) {
    Json value;
    value.kind = Json::Kind::Object;
    need('{');
    skip_space();
    if (take("}")) return value;
    Vector<std::size_t> stay;  // places of the keys whose values are kept
    do {
      skip_space();
      String key = string();
      need(':');
      const bool kept = keep_, left = depth < 2 && skipped_(depth ? std::string_view(within_) : "", key);
      if (depth == 0) within_ = key;
      keep_ = kept && !left;
      Json inside = any(depth + 1);
      keep_ = kept;
      if (kept && !(left && depth)) {
        value.list.push_back(std::move(inside));
        stay.push_back(value.keys.size());
      }
      value.keys.push_back(std::move(key));
      skip_space();
    } while (take(","));
    need('}');
    Vector<std::string_view> sorted(value.keys.begin(), value.keys.end());
    std::sort(sorted.begin(), sorted.end());
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) stop("a key stands twice");
    if (stay.size() < value.keys.size()) {
      Vector<String> few;
      for (const std::size_t i : stay) few.push_back(std::move(value.keys[i]));
      value.keys = std::move(few);
    }
    return value;
  }

  Json list(int depth) {
    Json value;
    value.kind = Json::Kind::List;
    need('[');
    skip_space();
    if (take("]")) return value;
    do {
      Json inside = any(depth + 1);
      if (keep_) value.list.push_back(std::move(inside));
      skip_space();
    } while (take(","));
    need(']');
    return value;
  }

  // Digits, which join those before; how many stood there. What no longer fits counts as places.
  int digits(std::uint64_t* all, int* kept, int* dropped) {
    int count = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_, ++count) {
      if (*kept == kMostDigits) {
        ++*dropped;
        continue;
      }
      *all = *all * 10 + static_cast<unsigned>(peek() - '0');
      if (*all) ++*kept;  // zeros in front take no room
    }
    return count;
  }

  int exponent() {
    const bool negative = take("-");
    if (!negative) (void)take("+");
    std::uint64_t value = 0;
    int kept = 0, dropped = 0;
    if (!digits(&value, &kept, &dropped)) stop("no digit in the exponent");
    const int far = dropped || value > 100000 ? 100000 : static_cast<int>(value);
    return negative ? -far : far;
  }

  Json number() {
    Json value;
    value.kind = Json::Kind::Number;
    const bool negative = take("-");
    if (take("NaN")) value.number = std::numeric_limits<double>::quiet_NaN();
    else if (take("Infinity")) value.number = std::numeric_limits<double>::infinity();
    else value.number = plain_number(&value.whole);
    if (negative) value.number = -value.number;
    return value;
  }

  double plain_number(bool* whole) {
    const bool zero = peek() == '0';
    std::uint64_t all = 0;
    int kept = 0, dropped = 0, places = 0;
    const int count = digits(&all, &kept, &dropped);
    if (!count || (zero && count > 1)) stop("no value");
    int power = dropped;
    *whole = true;
    if (take(".")) {
      *whole = false;
      dropped = 0;
      places = digits(&all, &kept, &dropped);
      if (!places) stop("no digit after the point");
      power -= places - dropped;
    }
    if (take("e") || take("E")) {
      *whole = false;
      power += exponent();
    }
    return decimal(all, std::clamp(power, -kFarthest, kFarthest));
  }

  unsigned hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      unsigned digit;
      if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
      else if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
      else if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
      else {
        stop("no hex digit");
        return 0;
      }
      code = code * 16 + digit;
      ++at_;
    }
    return code;
  }

  // The character of an escape, as UTF-8.
  void escape(String& out) {
    static constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    const std::size_t which = at_ < text_.size() ? from.find(text_[at_]) : std::string_view::npos;
    if (which != std::string_view::npos) {
      ++at_;
      out += to[which];
      return;
    }
    if (!take("u")) return stop("unknown escape");
    unsigned code = hex4();
    if (code >= 0xd800 && code < 0xdc00) {
      if (!take("\\u")) return stop("half a surrogate pair");
      const unsigned low = hex4();
      if (low < 0xdc00 || low > 0xdfff) stop("half a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
      stop("half a surrogate pair");
    }
    const auto put = [&out](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | code >> 6), put(0x80 | (code & 63));
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
    } else {
      put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 63)), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
    }
  }

  String string() {
    need('"');
    String out;
    for (;;) {
      if (at_ >= text_.size()) {
        stop("a text without end");
        return out;
      }
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) stop("a control character in a text");
      if (c == '\\') escape(out);
      else out += c;
    }
  }

  std::string_view text_;
  Skipped skipped_;
  bool keep_ = true;  // what is read now
  String within_;     // the root's key that is read now
  std::size_t at_ = 0, where_ = 0;
  const char* why_ = nullptr;
};

}  // namespace

const Json* Json::find(std::string_view key) const noexcept {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &list[i];
  return nullptr;
}

Failure parse_json(std::string_view text, Json* root, Skipped skipped) {
  return Reader(text, skipped).document(root);
}

}  // namespace fp
