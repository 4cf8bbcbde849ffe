// Samples on their way from the pushing thread to the pulling one: one writer, one reader, no lock, no heap.
//
//     taken <= sample index < written        both only grow; index modulo the capacity is the place
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/memory.h"

namespace fp {

class SampleRing {
 public:
  explicit SampleRing(std::size_t capacity) : samples_(capacity) {}

  // --- the pushing thread
  std::size_t room() const noexcept {
    return samples_.size() - static_cast<std::size_t>(written_.load(std::memory_order_relaxed) -
                                                      taken_.load(std::memory_order_acquire));
  }
  // Places for the samples from the i-th on after those written, `*run` of them in a row; unseen before `publish`.
  float* places(std::size_t i, std::size_t* run) noexcept {
    const std::size_t at =
        static_cast<std::size_t>((written_.load(std::memory_order_relaxed) + i) % samples_.size());
    *run = samples_.size() - at;
    return samples_.data() + at;
  }
  void publish(std::size_t count) noexcept {
    written_.store(written_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }
  void finish() noexcept { finished_.store(true, std::memory_order_release); }

  // --- the pulling thread
  // Whether `received` is final. Ask this first, then take.
  bool finished() const noexcept { return finished_.load(std::memory_order_acquire); }
  // How many samples came in since the start.
  std::int64_t received() const noexcept {
    return static_cast<std::int64_t>(written_.load(std::memory_order_acquire));
  }
  // Move up to `most` samples to `out`; returns how many.
  std::size_t take(float* out, std::size_t most) noexcept {
    const std::uint64_t from = taken_.load(std::memory_order_relaxed);
    const std::size_t count = std::min(most, static_cast<std::size_t>(written_.load(std::memory_order_acquire) - from));
    const std::size_t place = static_cast<std::size_t>(from % samples_.size());
    const std::size_t first = std::min(count, samples_.size() - place);
    if (first) std::memcpy(out, samples_.data() + place, first * sizeof(float));
    if (count > first) std::memcpy(out + first, samples_.data(), (count - first) * sizeof(float));
    taken_.store(from + count, std::memory_order_release);
    return count;
  }

  // --- while neither thread is at work
  void reset() noexcept {
    written_.store(0, std::memory_order_relaxed);
    taken_.store(0, std::memory_order_relaxed);
    finished_.store(false, std::memory_order_release);
  }

 private:
  Vector<float> samples_;
  std::atomic<std::uint64_t> written_{0}, taken_{0};
  std::atomic<bool> finished_{false};
};

}  // namespace fp
