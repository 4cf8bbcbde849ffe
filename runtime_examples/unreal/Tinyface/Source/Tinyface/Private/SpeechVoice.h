// One voice for an engine: audio at the engine's rate in, the face of an instant out. Plain C++17 over frame_stream.h, with
// nothing of Unreal and without exceptions, so that it is compiled and tested where no engine is.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "frame_stream.h"

namespace tinyface {

// A loaded artefact, shared by voices. One thread.
class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() { close(); }

  // Open the artefact at `path` (UTF-8). False with words in `error` if that fails; then nothing is open.
  bool open(const std::string& path, std::string& error);
  void close();

  bool is_open() const { return model_ != nullptr; }
  const std::vector<std::string>& channels() const { return channels_; }
  double frame_seconds() const { return frame_seconds_; }
  const fp_model* handle() const { return model_; }

 private:
  fp_model* model_ = nullptr;
  std::vector<std::string> channels_;
  double frame_seconds_ = 0;
};

// One speaker. `push` belongs to the audio thread; everything else to one other thread.
class Voice {
 public:
  Voice() = default;
  Voice(const Voice&) = delete;
  Voice& operator=(const Voice&) = delete;
  ~Voice() { close(); }

  // A take begins with the next sample. False with words in `error` if that fails; then nothing is open.
  // block_samples: what is pushed at a time.
  bool open(const Model& model, std::uint32_t rate_hz, std::uint32_t audio_channels, std::uint32_t block_samples,
            std::string& error);
  // No push may run, now or later.
  void close();

  // Audio thread: `count` interleaved samples of each audio channel, within -1..1. False once the take is lost: audio
  // that was no audio, or nobody pulled for two seconds; `trouble` says which. No lock, no heap.
  bool push(const float* samples, std::size_t count) noexcept;

  // Take the frames that are due. False with words in `error` once the take is lost: open again.
  bool update(std::string& error);

  // The face that belongs to the sound heard `delay_seconds` ago: between the two frames around that instant, or the
  // newest. Null before the first frame; else as many values as channels, until the next call.
  const float* face(double delay_seconds);

  // From a sound to its face; hold sound back by this and a frame more, and there is a frame on either side of it.
  double latency_seconds() const { return latency_seconds_; }
  std::int64_t frames() const { return count_; }

 private:
  static constexpr std::int64_t kQueueFrames = 64;
  enum class Trouble : int { kNone, kBadAudio, kOverrun };

  const float* values(std::int64_t frame) const { return queue_.data() + frame % kQueueFrames * channels_; }

  fp_stream* stream_ = nullptr;
  std::uint32_t rate_hz_ = 0, channels_ = 0;
  double latency_seconds_ = 0;
  std::atomic<std::int64_t> heard_{0};  // samples of each audio channel
  std::atomic<Trouble> trouble_{Trouble::kNone};
  std::int64_t count_ = 0;              // of frames, ever
  std::vector<float> queue_, pulled_, face_;
  std::int64_t samples_[kQueueFrames] = {};  // at 16 kHz
};

}  // namespace tinyface
