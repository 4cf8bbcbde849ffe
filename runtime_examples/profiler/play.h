// Plays audio through one model and times every frame: as fast as it can, or at the pace of speech.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "frame_stream.h"
#include "machine.h"

struct Audio {
  std::uint32_t rate_hz = 48000;
  std::vector<float> samples;  // mono; played in a loop
};

// `seconds` of syllables: a buzz that swells and fades four times a second, with hiss between.
Audio synthetic_audio(double seconds);

// One model and its voices, with what it took to open them. Several voices of a stream student run as a crowd.
class Player {
 public:
  Player(const std::string& path, const Audio& audio, fp_stream_config config, unsigned voices, unsigned chunk_ms);
  ~Player();
  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;

  // Until every voice has given one more frame; microseconds of a frame of one voice, pushing and pulling.
  double next_frame_us(double* processor);

  // Plays `seconds` at the pace of speech; microseconds from when the block that made a frame due was there to the
  // instant when the last voice had its frame, and of the work alone.
  void play(double seconds, std::vector<double>* response_us, std::vector<double>* work_us);

  const fp_model_info& info() const { return info_; }
  double frames_per_second() const { return fps_; }
  double load_ms() const { return load_ms_; }
  std::int64_t model_bytes() const { return model_bytes_; }
  std::int64_t voice_bytes() const { return voice_bytes_; }

 private:
  bool step();  // one block to every voice, and all frames that are due; true if there were any
  bool drain(fp_stream* stream);  // all frames of one voice that are due; true if there were any

  const Audio& audio_;
  fp_model* model_ = nullptr;
  fp_crowd* crowd_ = nullptr;
  std::vector<fp_stream*> streams_;
  std::vector<float> values_;
  fp_model_info info_{};
  double fps_ = 0, load_ms_ = 0;
  std::int64_t model_bytes_ = -1, voice_bytes_ = -1;
  std::size_t block_ = 0, at_ = 0;
};
