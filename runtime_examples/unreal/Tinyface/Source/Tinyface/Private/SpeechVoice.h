// One voice for an engine: audio at the engine's rate in, the face of an instant out. Plain C++17 over frame_stream.h, with
// nothing of Unreal and without exceptions, so that it is compiled and tested where no engine is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "frame_stream.h"

namespace tinyface {

// What Live Link calls a channel, as Apple's app does: jawOpen is JawOpen.
std::string live_link_name(std::string channel);

// A loaded artefact, shared by voices. One thread.
class Model {
 public:
  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model() { close(); }

  // Open the artefact in `bytes`, which are copied. False with words in `error` if that fails; then nothing is open.
  bool open(const void* bytes, std::size_t count, std::string& error);
  void close();

  bool is_open() const { return model_ != nullptr; }
  const std::vector<std::string>& channels() const { return channels_; }
  // The face at rest: a value for each channel.
  const std::vector<float>& neutral() const { return neutral_; }
  const fp_model* handle() const { return model_; }

 private:
  fp_model* model_ = nullptr;
  std::vector<std::string> channels_;
  std::vector<float> neutral_;
};

// One speaker: fp_track of frame_stream.h, which draws lines between frames on the time at which sound came, says the last
// frames when it stays away, and eases to rest. `push` belongs to the audio thread; everything else to one other thread.
// `now_seconds`: one steady clock for both.
class Voice {
 public:
  Voice() = default;
  Voice(const Voice&) = delete;
  Voice& operator=(const Voice&) = delete;
  ~Voice() { close(); }

  // A face at rest. False with words in `error` if that fails; then nothing is open. block_samples: what is pushed at a time.
  bool open(const Model& model, std::uint32_t rate_hz, std::uint32_t audio_channels, std::uint32_t block_samples,
            std::string& error);
  // No push may run, now or later.
  void close();

  // Audio thread: `count` interleaved samples of each audio channel, within -1..1, which came just now. False if they are
  // lost: they were no audio, or nobody drew for two seconds; `face` says so. No lock, no heap.
  bool push(const float* samples, std::size_t count, double now_seconds) noexcept;

  // The face that belongs to the sound heard `delay_seconds` before: as many values as channels, until the next call. Words
  // in `error` if something was lost since the last call. Null if nothing is open.
  const float* face(double now_seconds, std::string& error);

  // Hold sound back by this, and lips meet it.
  double delay_seconds() const { return track_ ? fp_track_delay_s(track_) : 0.0; }

 private:
  fp_track* track_ = nullptr;
  std::atomic<fp_status> trouble_{FP_OK};
  std::vector<float> face_;
};

}  // namespace tinyface
