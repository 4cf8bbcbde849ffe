#include "voices/track.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fp {
namespace {

constexpr double kFollow = 0.1;   // of a block's distance from where it was expected
constexpr double kJump_s = 0.15;  // a distance that is no jitter
constexpr double kBlend_s = 0.06; // from what was shown to a new take
constexpr double kLongAgo_s = -1e9;
constexpr double kEarly_s = 1;    // by which blocks may come before their time

double per_second(const FrameClock& clock) {
  return static_cast<double>(clock.numerator()) / static_cast<double>(clock.denominator());
}

// Frames that are made and not yet seen: those of the delay, which holds a whole block, and four at the line's ends.
std::int64_t waiting_frames(const FrameClock& clock, double delay_s) {
  return static_cast<std::int64_t>(std::ceil(per_second(clock) * (delay_s + kEarly_s))) + 4;
}

double smooth(double share) { return share <= 0 ? 0 : share >= 1 ? 1 : share * share * (3 - 2 * share); }

}  // namespace

Track::Track(Model& model, std::int64_t rate_hz, const StreamSettings& settings, const TrackSettings& track)
    : settings_(track), clock_(settings.clock), rate_hz_(rate_hz),
      kept_(waiting_frames(settings.clock, track.delay_s)), first_(model, rate_hz, settings),
      second_(model, rate_hz, settings), rest_(model.manifest().neutral.begin(), model.manifest().neutral.end()),
      frames_(static_cast<std::size_t>(kept_) * rest_.size()), shown_(rest_), from_(rest_), from_s_(kLongAgo_s) {}

template <class Sample>
fp_status Track::push(const Sample* samples, std::size_t count, double now_s, std::size_t* taken) noexcept {
  int which = turn_.load();
  for (;;) {  // the drawing thread may give the turn away between two lines; whoever is second sees the other
    take(which).busy.store(true);
    if (turn_.load() == which) break;
    take(which).busy.store(false);
    which = turn_.load();
  }
  Take& t = take(which);
  *taken = 0;
  const fp_status status = t.stream.audio().push(samples, count, taken);
  if (status >= 0 && *taken) {
    t.pushed += static_cast<std::int64_t>(*taken);
    const double ahead = static_cast<double>(t.pushed) / static_cast<double>(rate_hz_) - now_s;
    const double before = t.ahead_s.load(), off = ahead - before;
    const bool known = t.heard.load() && std::fabs(off) < kJump_s;
    t.ahead_s.store(known ? before + kFollow * off : ahead);
    t.last_push_s.store(now_s);
    t.heard.store(true);
  }
  t.busy.store(false);
  return status;
}

template fp_status Track::push(const float*, std::size_t, double, std::size_t*) noexcept;
template fp_status Track::push(const std::int16_t*, std::size_t, double, std::size_t*) noexcept;

// The second of the take's sound that is to be seen.
double Track::position(const Take& t, double now_s) const noexcept {
  return now_s + t.ahead_s.load() - settings_.delay_s;
}

fp_status Track::pull(double now_s, float* values, const char** reason) noexcept {
  Take& now = take(drawn_);
  fp_status status = FP_OK;
  if (now.heard.load()) {
    finish_after_pause(now, now_s);
    status = fetch(now, reason);
    const bool over = draw(now, now_s, shown_.data());
    Take& other = take(1 - drawn_);
    if (over || (now.ended && other.heard.load() && position(other, now_s) >= 0)) {
      std::memcpy(from_.data(), shown_.data(), from_.size() * sizeof(float));
      from_s_ = now_s;
      next_take();
    }
  }
  if (now_s - from_s_ < kBlend_s) mix(from_.data(), shown_.data(), smooth((now_s - from_s_) / kBlend_s), values);
  else std::memcpy(values, shown_.data(), shown_.size() * sizeof(float));
  return status;
}

// The other take gets the turn first: when nobody pushes into this one any more, it is ours to finish.
void Track::finish_after_pause(Take& t, double now_s) noexcept {
  if (t.finished || now_s - t.last_push_s.load() <= settings_.pause_s) return;
  turn_.store(1 - drawn_);
  if (t.busy.load()) return;
  t.stream.audio().finish();
  t.finished = true;
}

fp_status Track::fetch(Take& t, const char** reason) noexcept {
  while (!t.ended) {
    std::int64_t index = 0;
    const fp_status status = t.stream.pull(&index, frame(t.made), reason);
    if (status == FP_OK) ++t.made;
    else if (status == FP_END) t.ended = true;
    else return status == FP_AGAIN ? FP_OK : status;
  }
  return FP_OK;
}

// The values at `now_s`; whether the take was seen to its end and the face is at rest.
bool Track::draw(Take& t, double now_s, float* values) noexcept {
  if (!t.made) return t.ended;
  const double fps = per_second(clock_);
  const double at = position(t, now_s) * fps, last = static_cast<double>(t.made - 1);
  if (at < 0) {  // its first frame may be made, and is not to be seen yet
    std::memcpy(values, rest_.data(), rest_.size() * sizeof(float));
    return false;
  }
  if (at < last) {  // so two frames at least were made, and the oldest kept is no later than the last but one
    const auto index = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::floor(at)),
                                                std::max<std::int64_t>(0, t.made - kept_), t.made - 2);
    const double share = std::clamp(at - static_cast<double>(index), 0.0, 1.0);
    mix(frame(index), frame(index + 1), share, values);
    return false;
  }
  const double gone = t.ended ? (at - last) / fps / settings_.ease_s : 0;
  mix(frame(t.made - 1), rest_.data(), smooth(gone), values);
  return gone >= 1;
}

// This take becomes the one that waits, as new.
void Track::next_take() noexcept {
  Take& t = take(drawn_);
  t.stream.reset();
  t.pushed = t.made = 0;
  t.finished = t.ended = false;
  t.heard.store(false);
  drawn_ = 1 - drawn_;
}

void Track::mix(const float* from, const float* to, double share, float* out) const noexcept {
  const auto part = static_cast<float>(share);
  for (std::size_t i = 0; i < rest_.size(); ++i) out[i] = from[i] + (to[i] - from[i]) * part;
}

}  // namespace fp
