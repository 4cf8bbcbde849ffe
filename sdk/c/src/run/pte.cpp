#include "run/pte.h"

#include <cstring>

namespace fp {
namespace {

// Fields by their number in ExecuTorch's schema (schema/program.fbs); old numbers keep their meaning.
enum ProgramField { kPlans = 1, kInlineData = 3, kSegments = 4 };
enum PlanField { kPlanName = 0, kDelegates = 7 };
enum DelegateField { kId = 0, kProcessed = 1, kSpecs = 2 };
enum ReferenceField { kLocation = 0, kIndex = 1 };
enum PairField { kFirst = 0, kSecond = 1 };  // of a compile spec: key, value; of a segment: offset, size
constexpr std::uint32_t kInSegment = 1;
constexpr std::uint32_t kMostEntries = 4096;

// A flatbuffer. Every read is checked; after the first that lies outside, all give zero.
class Flat {
 public:
  Flat(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes), size_(size) {}

  bool broken() const noexcept { return broken_; }
  template <class Number>
  Number read(std::size_t at) noexcept {
    Number value{};
    if (inside(at, sizeof value)) std::memcpy(&value, bytes_ + at, sizeof value);
    return value;
  }
  // Where something lies that is stored as the distance from here.
  std::size_t follow(std::size_t at) noexcept { return at ? at + read<std::uint32_t>(at) : 0; }
  std::size_t root() noexcept { return follow_first(); }
  // Where field `field` of the table at `table` is; 0 if it is absent.
  std::size_t field(std::size_t table, int field) noexcept {
    if (!table) return 0;
    const std::int64_t head = static_cast<std::int64_t>(table) - read<std::int32_t>(table);
    if (head < 0 || broken_) return fail();
    const auto vtable = static_cast<std::size_t>(head);
    const std::size_t entry = 4 + 2 * static_cast<std::size_t>(field);
    if (entry + 2 > read<std::uint16_t>(vtable)) return 0;
    const std::uint16_t offset = read<std::uint16_t>(vtable + entry);
    return offset ? table + offset : 0;
  }
  std::size_t table(std::size_t table, int number) noexcept { return follow(field(table, number)); }
  template <class Number>
  Number value(std::size_t table, int number) noexcept {
    const std::size_t at = field(table, number);
    return at ? read<Number>(at) : Number{};
  }
  // A vector of `width` bytes each: where it begins, and how many; none if it is absent.
  std::size_t vector(std::size_t table_at, int number, std::size_t width, std::uint32_t* count) noexcept {
    const std::size_t at = table(table_at, number);
    *count = at ? read<std::uint32_t>(at) : 0;
    if (*count && !inside(at + 4, std::size_t{*count} * width)) *count = 0;
    return at + 4;
  }
  bool is(std::size_t table_at, int number, const char* text) noexcept {
    std::uint32_t count = 0;
    const std::size_t at = vector(table_at, number, 1, &count);
    return count == std::strlen(text) && !std::memcmp(bytes_ + at, text, count);
  }
  bool inside(std::size_t at, std::size_t count) noexcept {
    if (at <= size_ && count <= size_ - at && !broken_) return true;
    fail();
    return false;
  }
  std::size_t fail() noexcept {
    broken_ = true;
    return 0;
  }

 private:
  std::size_t follow_first() noexcept { return read<std::uint32_t>(0); }

  const std::uint8_t* bytes_;
  std::size_t size_;
  bool broken_ = false;
};

// Item `index` of a vector of tables.
std::size_t item(Flat& flat, std::size_t first, std::uint32_t index) noexcept {
  return flat.follow(first + 4 * std::size_t{index});
}

// Where the segments begin, which stand behind the tables: in the header that follows the first eight bytes.
std::uint64_t segments_base(Flat& flat) noexcept {
  return flat.read<std::uint32_t>(8) == 0x30306865 ? flat.read<std::uint64_t>(24) : 0;  // "eh00"
}

const char* find_voices(Flat& flat, const std::uint8_t* bytes, std::size_t delegate, std::uint32_t* voices) noexcept {
  std::uint32_t specs = 0;
  const std::size_t first = flat.vector(delegate, kSpecs, 4, &specs);
  for (std::uint32_t i = 0; i < specs && i < kMostEntries && !flat.broken(); ++i) {
    const std::size_t spec = item(flat, first, i);
    std::uint32_t count = 0;
    const std::size_t value = flat.vector(spec, kSecond, 1, &count);
    if (!flat.is(spec, kFirst, "voices") || count != sizeof *voices) continue;
    std::memcpy(voices, bytes + value, sizeof *voices);
    return nullptr;
  }
  return "does not say for how many voices it is";
}

// The bytes that a delegate refers to.
const char* find_data(Flat& flat, std::size_t program, std::size_t reference, Delegate* found, const std::uint8_t* bytes,
                      std::size_t size) noexcept {
  const auto index = flat.value<std::uint32_t>(reference, kIndex);
  std::uint32_t count = 0;
  if (flat.value<std::uint8_t>(reference, kLocation) != kInSegment) {
    const std::size_t first = flat.vector(program, kInlineData, 4, &count);
    if (index >= count) return "has no data for its kernels";
    const std::size_t at = flat.vector(item(flat, first, index), 0, 1, &count);
    found->plan = bytes + at, found->plan_bytes = count;
    return nullptr;
  }
  const std::size_t first = flat.vector(program, kSegments, 4, &count);
  if (index >= count) return "has no data for its kernels";
  const std::size_t segment = item(flat, first, index);
  const auto offset = flat.value<std::uint64_t>(segment, kFirst), length = flat.value<std::uint64_t>(segment, kSecond);
  const std::uint64_t base = segments_base(flat);
  if (base > size || offset > size - base || length > size - base - offset) return "has data outside the file";
  found->plan = bytes + base + offset, found->plan_bytes = static_cast<std::size_t>(length);
  return nullptr;
}

}  // namespace

const char* find_delegate(const std::uint8_t* bytes, std::size_t size, const char* name, Delegate* found) noexcept {
  if (size < 64 || std::memcmp(bytes + 4, "ET", 2) != 0) return "is no ExecuTorch program";
  Flat flat(bytes, size);
  const std::size_t program = flat.root();
  std::uint32_t plans = 0;
  const std::size_t first = flat.vector(program, kPlans, 4, &plans);
  for (std::uint32_t i = 0; i < plans && i < kMostEntries && !flat.broken(); ++i) {
    const std::size_t plan = item(flat, first, i);
    if (!flat.is(plan, kPlanName, name)) continue;
    std::uint32_t delegates = 0;
    const std::size_t at = flat.vector(plan, kDelegates, 4, &delegates);
    const std::size_t delegate = delegates == 1 ? item(flat, at, 0) : 0;
    if (!delegate || !flat.is(delegate, kId, "TinyfaceKernels")) return "is not for our own kernels alone";
    const char* bad = find_voices(flat, bytes, delegate, &found->voices);
    if (!bad) bad = find_data(flat, program, flat.table(delegate, kProcessed), found, bytes, size);
    return flat.broken() ? "is damaged" : bad;
  }
  return flat.broken() ? "is damaged" : "has no such method";
}

}  // namespace fp
