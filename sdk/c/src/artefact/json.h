// JSON (RFC 8259) as a tree of values, read strictly: no comments, no trailing text, no key twice, bounded depth.
// NaN and Infinity are numbers here, as Python's json writes them; who needs a finite one checks.
#pragma once

#include <string_view>

#include "base/failure.h"

namespace fp {

struct Json {
  enum class Kind { Null, Bool, Number, Text, List, Object };
  Kind kind = Kind::Null;
  bool whole = false;  // a number written without point or exponent
  double number = 0.0; // a Bool is 0 or 1
  String text;
  Vector<Json> list;                            // of a List, or the values of an Object
  Vector<String> keys;                     // of an Object, beside `list`

  // The value of a key, or nullptr.
  const Json* find(std::string_view key) const noexcept;
};

// Whether what stands under a key is only checked, so that what nobody reads takes no memory. `within`: empty for keys of
// the root, of which the kind is kept; for those of an object in it that object's key, and nothing of them is kept.
using Skipped = bool (*)(std::string_view within, std::string_view key);

// FP_BAD_MANIFEST, naming the byte at which it stops.
Failure parse_json(std::string_view text, Json* root, Skipped skipped);

}  // namespace fp
