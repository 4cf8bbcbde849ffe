// soak model.pte hours [rate_hz [voices [fps_numerator fps_denominator]]]: hours of audio through every voice, fed as fast
// as it is taken, in blocks of 10 ms: noise, pauses and a tail that dies away through all that a float can hold. More
// than one voice: in a crowd. Prints what was found; ends with a failure where a frame is not the next one, its sample is
// not the clock's, a value is not finite, the take has another number of frames, or memory was gained after its first tenth.
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cmath>
#include <ctime>
#include <fstream>

#include "tool.h"

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr std::int64_t kGainedBytes = 1000000;

// Ten seconds: loud, silent from 4 to 6, dying away from 7 on. A tone under the noise, so that lips move slowly too.
std::vector<float> ten_seconds(std::uint32_t rate) {
  std::vector<float> made(10 * std::size_t{rate});
  for (std::size_t i = 0; i < made.size(); ++i) {
    const double second = double(i) / rate;
    const double loud = second < 4 ? 1 : second < 6 ? 0 : second < 7 ? 1 : std::exp(-(second - 7) * 100 / 3);
    made[i] = float(loud * (0.1 * tool::noise(i) / 16384 + 0.1 * std::sin(2 * kPi * 140 * second)));
  }
  return made;
}

// Bytes that the kernel counts to this process; 0 where it does not say.
std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

struct Clock {
  std::int64_t n, m;
  std::int64_t sample(std::int64_t frame) const { return frame * 16000 * m / n; }
};

// Take what is due of one voice; `made` frames came before.
fp_status drain(fp_stream* stream, const Clock& clock, std::vector<float>& values, std::int64_t& made) {
  fp_frame frame{};
  for (fp_status status;;) {
    if ((status = tool::pull(stream, values, frame)) != FP_OK) return status;
    tool::expect(frame.index == made, "frames come in order");
    tool::expect(frame.sample == clock.sample(made), "frame k sits at sample k * 16000 * m / n");
    for (const float value : values) tool::expect(std::isfinite(value), "values are finite");
    ++made;
  }
}

void push(fp_stream* stream, const float* samples, std::size_t count) {
  while (count) {
    std::size_t taken = 0;
    tool::must("push", [&](fp_error* error) { return fp_stream_push_f32(stream, samples, count, &taken, error); });
    tool::expect(taken > 0, "a voice that is pulled takes more");
    samples += taken;
    count -= taken;
  }
}

}  // namespace

int main(int count, char** words) {
  const auto word = [&](int at, long otherwise) { return count > at ? std::atol(words[at]) : otherwise; };
  tool::expect(count >= 3 && count <= 7 && word(3, 48000) % 100 == 0, "usage: soak model.pte hours [rate_hz [voices [fps_numerator fps_denominator]]]");
  const auto rate = static_cast<std::uint32_t>(word(3, 48000));
  const auto voices = static_cast<std::size_t>(word(4, 1));
  const Clock clock{word(5, 30), word(6, 1)};
  fp_model* const model = tool::open(words[1]);
  fp_crowd* const crowd = voices > 1 ? tool::create_crowd(model) : nullptr;
  std::vector<fp_stream*> streams;
  for (std::size_t i = 0; i < voices; ++i)
    streams.push_back(tool::create(model, rate, FP_ENSEMBLE_OFF, std::uint32_t(clock.n), std::uint32_t(clock.m)));
  std::vector<std::int64_t> made(voices);
  std::vector<float> values(tool::channels(model));

  const std::vector<float> audio = ten_seconds(rate);
  const std::size_t block = rate / 100;
  const auto blocks = static_cast<std::int64_t>(std::atof(words[2]) * 360000);
  const auto began = std::chrono::steady_clock::now();
  std::int64_t before = resident_bytes();  // reading it takes memory too, once
  const auto tell = [&](fp_status wanted) {
    if (crowd) tool::must("crowd", [&](fp_error* e) { return fp_crowd_run(crowd, streams.data(), voices, nullptr, e); });
    for (std::size_t i = 0; i < voices; ++i) tool::expect(drain(streams[i], clock, values, made[i]) == wanted, "the end");
  };
  for (std::int64_t number = 0; number < blocks; ++number) {
    if (number == blocks / 10) before = resident_bytes();
    for (std::size_t i = 0; i < voices; ++i) {  // each voice a second behind the last
      const auto at = (static_cast<std::size_t>(number % 1000) + 100 * i) * block % audio.size();
      push(streams[i], audio.data() + at, block);
    }
    tell(FP_AGAIN);
  }
  const std::int64_t gained = resident_bytes() - before;
  for (fp_stream* stream : streams) fp_stream_finish(stream, nullptr);
  tell(FP_END);

  const std::int64_t heard = blocks * 160;  // at 16 kHz; there is a frame k wherever its sample holds audio
  const std::int64_t wanted = (heard * clock.n + 16000 * clock.m - 1) / (16000 * clock.m);
  for (const std::int64_t frames : made) tool::expect(frames == wanted, "the clock does not drift");
  tool::expect(gained <= kGainedBytes, "no memory is gained");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::printf("%zu x %.2f h at %u Hz, %" PRIu64 " samples each, in %.0f s (%.0f of CPU): %" PRId64
              " frames each in their places, %+" PRId64 " bytes\n",
              voices, double(blocks) / 360000, rate, std::uint64_t(blocks) * block, took.count(),
              double(std::clock()) / CLOCKS_PER_SEC, made[0], gained);
  fp_crowd_destroy(crowd);
  for (fp_stream* stream : streams) fp_stream_destroy(stream);
  fp_model_close(model);
}
