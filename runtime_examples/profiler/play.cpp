#include "play.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

double microseconds(Clock::duration span) { return std::chrono::duration<double, std::micro>(span).count(); }

void check(fp_status status, const fp_error& error) {
  if (status < 0) throw std::runtime_error(error.message[0] ? error.message : fp_status_string(status));
}

}  // namespace

Audio synthetic_audio(double seconds) {
  Audio audio;
  audio.samples.resize(static_cast<std::size_t>(seconds * audio.rate_hz));
  std::uint32_t random = 1;
  for (std::size_t i = 0; i < audio.samples.size(); ++i) {
    const double time = static_cast<double>(i) / audio.rate_hz;
    const double swell = std::max(0.0, std::sin(2 * 3.14159265358979 * 4 * time));
    const double buzz = 2 * std::fmod(time * 130, 1.0) - 1;
    random = random * 1664525u + 1013904223u;
    const double hiss = static_cast<double>(random >> 8) / (1 << 24) - 0.5;
    audio.samples[i] = static_cast<float>(0.3 * swell * buzz + 0.02 * hiss);
  }
  return audio;
}

Player::Player(const std::string& path, const Audio& audio, fp_stream_config config, unsigned voices, unsigned chunk_ms)
    : audio_(audio), block_(std::max<std::size_t>(1, std::size_t{audio.rate_hz} * chunk_ms / 1000)) {
  if (block_ > audio_.samples.size())
    throw std::runtime_error("--chunk-ms " + std::to_string(chunk_ms) + " is longer than the sound, " +
                             std::to_string(audio_.samples.size() * 1000 / audio_.rate_hz) + " ms: give less, or a longer --wav");
  fp_error error{};
  const std::int64_t empty = memory_now().heap;
  const auto start = Clock::now();
  check(fp_model_open(path.c_str(), &model_, &error), error);
  const std::int64_t opened = memory_now().heap;
  info_.struct_size = sizeof info_;
  check(fp_model_get_info(model_, &info_, &error), error);
  config.struct_size = sizeof config;
  config.sample_rate_hz = audio.rate_hz;
  for (unsigned i = 0; i < voices; ++i) {
    fp_stream* stream = nullptr;
    check(fp_stream_create(model_, &config, &stream, &error), error);
    streams_.push_back(stream);
  }
  const std::int64_t created = memory_now().heap;
  if (voices > 1 && info_.crowd_voices > 0) check(fp_crowd_create(model_, &crowd_, &error), error);
  if (empty >= 0) model_bytes_ = opened - empty, voice_bytes_ = (created - opened) / static_cast<std::int64_t>(voices);
  values_.resize(info_.channels);
  fps_ = config.fps_numerator ? double(config.fps_numerator) / config.fps_denominator
                              : double(info_.fps_numerator) / info_.fps_denominator;
  while (!step()) {
  }
  load_ms_ = microseconds(Clock::now() - start) / 1000;
}

Player::~Player() {
  fp_crowd_destroy(crowd_);
  for (fp_stream* stream : streams_) fp_stream_destroy(stream);
  fp_model_close(model_);
}

bool Player::step() {
  if (at_ + block_ > audio_.samples.size()) at_ = 0;
  fp_error error{};
  bool any = false;
  for (fp_stream* stream : streams_) {
    for (std::size_t done = 0, taken = 0; done < block_; done += taken) {
      check(fp_stream_push_f32(stream, audio_.samples.data() + at_ + done, block_ - done, &taken, &error), error);
      if (done + taken < block_) any = drain(stream) || any;  // it was full
    }
  }
  if (crowd_) check(fp_crowd_run(crowd_, streams_.data(), streams_.size(), nullptr, &error), error);
  for (fp_stream* stream : streams_) any = drain(stream) || any;
  at_ += block_;
  return any;
}

bool Player::drain(fp_stream* stream) {
  fp_error error{};
  fp_frame frame{};
  frame.struct_size = sizeof frame;
  for (bool any = false;; any = true) {
    const fp_status status = fp_stream_pull(stream, &frame, values_.data(), info_.channels, &error);
    check(status, error);
    if (status != FP_OK) return any;
  }
}

double Player::next_frame_us(double* processor) {
  const double processor_start = processor_us();
  const auto start = Clock::now();
  while (!step()) {
  }
  const double wall = microseconds(Clock::now() - start);
  const double voices = static_cast<double>(streams_.size());
  *processor = (processor_us() - processor_start) / voices;
  return wall / voices;
}

void Player::play(double seconds, std::vector<double>* response_us, std::vector<double>* work_us) {
  const auto block_time = std::chrono::duration<double>(static_cast<double>(block_) / audio_.rate_hz);
  const auto blocks = static_cast<std::int64_t>(seconds / block_time.count());
  response_us->reserve(static_cast<std::size_t>(seconds * fps_) + 8);
  work_us->reserve(response_us->capacity());
  const auto start = Clock::now();
  double work = 0;
  for (std::int64_t i = 1; i <= blocks; ++i) {
    const auto due = start + std::chrono::duration_cast<Clock::duration>(block_time * i);
    std::this_thread::sleep_until(due);
    const auto begin = Clock::now();
    const bool any = step();
    const auto end = Clock::now();
    work += microseconds(end - begin);
    if (!any) continue;
    response_us->push_back(microseconds(end - due));
    work_us->push_back(work / static_cast<double>(streams_.size()));
    work = 0;
  }
}
