#include "json.h"

#include <cmath>
#include <limits>
#include <locale>
#include <sstream>

#include "failure.h"

namespace fp {
namespace {

constexpr int kDeepest = 64;

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Json document() {
    Json value = any(0);
    skip_space();
    if (at_ != text_.size()) stop("text after the end");
    return value;
  }

 private:
  [[noreturn]] void stop(const char* why) const {
    throw Failure(FP_BAD_MANIFEST, "manifest is not JSON: " + std::string(why) + " at byte " + std::to_string(at_));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void need(char wanted) {
    skip_space();
    if (peek() != wanted || at_ >= text_.size()) stop("a sign is missing");
    ++at_;
  }

  Json any(int depth) {
    if (depth > kDeepest) stop("nested too deep");
    skip_space();
    Json value;
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
    do {
      skip_space();
      std::string key = string();
      if (value.find(key)) stop("a key stands twice");
      need(':');
      value.list.push_back(any(depth + 1));
      value.keys.push_back(std::move(key));
      skip_space();
    } while (take(","));
    need('}');
    return value;
  }

  Json list(int depth) {
    Json value;
    value.kind = Json::Kind::List;
    need('[');
    skip_space();
    if (take("]")) return value;
    do {
      value.list.push_back(any(depth + 1));
      skip_space();
    } while (take(","));
    need(']');
    return value;
  }

  std::size_t digits() {
    const std::size_t start = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - start;
  }

  Json number() {
    Json value;
    value.kind = Json::Kind::Number;
    const std::size_t start = at_;
    const bool negative = take("-");
    if (take("NaN") || take("Infinity")) {
      const bool infinite = text_[at_ - 1] == 'y';
      value.number = infinite ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
      if (negative) value.number = -value.number;
      return value;
    }
    const bool zero = peek() == '0';
    const std::size_t count = digits();
    if (!count || (zero && count > 1)) stop("no value");
    value.whole = true;
    if (take(".")) {
      value.whole = false;
      if (!digits()) stop("no digit after the point");
    }
    if (take("e") || take("E")) {
      value.whole = false;
      if (!take("+")) take("-");
      if (!digits()) stop("no digit in the exponent");
    }
    std::istringstream stream{std::string(text_.substr(start, at_ - start))};
    stream.imbue(std::locale::classic());  // a program's own locale may write 0,5
    stream >> value.number;                // beyond the range of a double: infinity or zero
    return value;
  }

  unsigned hex4() {
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      unsigned digit;
      if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
      else if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
      else if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
      else stop("no hex digit");
      code = code * 16 + digit;
      ++at_;
    }
    return code;
  }

  // The character of an escape, as UTF-8.
  void escape(std::string& out) {
    static constexpr std::string_view from = "\"\\/bfnrt", to = "\"\\/\b\f\n\r\t";
    const std::size_t which = at_ < text_.size() ? from.find(text_[at_]) : std::string_view::npos;
    if (which != std::string_view::npos) {
      ++at_;
      out += to[which];
      return;
    }
    if (!take("u")) stop("unknown escape");
    unsigned code = hex4();
    if (code >= 0xd800 && code < 0xdc00) {
      if (!take("\\u")) stop("half a surrogate pair");
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

  std::string string() {
    need('"');
    std::string out;
    for (;;) {
      if (at_ >= text_.size()) stop("a text without end");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) stop("a control character in a text");
      if (c == '\\') escape(out);
      else out += c;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const Json* Json::find(std::string_view key) const noexcept {
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key) return &list[i];
  return nullptr;
}

Json parse_json(std::string_view text) { return Reader(text).document(); }

}  // namespace fp
