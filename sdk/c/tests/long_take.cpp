// long_take model.pte rate_hz fps_numerator fps_denominator seconds: hours of noise, fed fast. Prints how many frames
// came, then the last three of them: index, sample, values. Ends with a failure where a frame is not the next one.
#include <algorithm>
#include <cinttypes>

#include "tool.h"

int main(int count, char** words) {
  tool::expect(count == 6, "usage: long_take model.pte rate_hz fps_numerator fps_denominator seconds");
  const auto rate = static_cast<std::uint32_t>(std::atoi(words[2]));
  const auto n = static_cast<std::uint32_t>(std::atoi(words[3])), m = static_cast<std::uint32_t>(std::atoi(words[4]));
  const std::uint64_t samples = std::uint64_t{rate} * static_cast<std::uint64_t>(std::atoll(words[5]));
  fp_model* const model = tool::open(words[1]);
  fp_stream* const stream = tool::create(model, rate, FP_ENSEMBLE_OFF, n, m);
  std::vector<std::vector<float>> last(3, std::vector<float>(tool::channels(model)));
  std::vector<fp_frame> places(3);
  std::int64_t made = 0;
  const auto drain = [&] {
    for (;;) {
      const auto slot = static_cast<std::size_t>(made % 3);
      const fp_status status = tool::pull(stream, last[slot], places[slot]);
      if (status != FP_OK) return status;
      tool::expect(places[slot].index == made, "frames come in order");
      tool::expect(places[slot].sample == made * 16000 * m / n, "frame k sits at sample k * 16000 * m / n");
      ++made;
    }
  };
  for (std::uint64_t at = 0; at < samples;) {
    const auto audio = tool::noise_from(at, static_cast<std::size_t>(std::min<std::uint64_t>(rate / 4, samples - at)));
    std::size_t taken = 0;
    tool::must("push", [&](fp_error* e) { return fp_stream_push_i16(stream, audio.data(), audio.size(), &taken, e); });
    at += taken;
    drain();
  }
  fp_stream_finish(stream, nullptr);
  tool::expect(drain() == FP_END, "the take ends");
  std::printf("%" PRId64 "\n", made);
  for (std::int64_t k = made < 3 ? 0 : made - 3; k < made; ++k) {
    const auto slot = static_cast<std::size_t>(k % 3);
    std::printf("%" PRId64 " %" PRId64, places[slot].index, places[slot].sample);
    for (const float value : last[slot]) std::printf(" %.9g", double(value));
    std::puts("");
  }
  fp_stream_destroy(stream);
  fp_model_close(model);
}
