// no_alloc model.pte minutes rate_hz ensemble(0|1) [voices]: push and pull with an allocator that aborts; prints the
// frames made. With voices: these, together in a crowd. A model with styles is heard in all of them at once.
// no_alloc --self-test: shows that the allocator does abort.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <unistd.h>

#include "tool.h"

static volatile bool armed = false;  // process-wide: an allocation on any thread counts

static void watch(const char* who) {
  if (!armed) return;
  armed = false;
  const ssize_t ignored = ::write(2, who, std::strlen(who));
  (void)ignored;
  std::abort();
}

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) {
  watch("malloc\n");
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  watch("calloc\n");
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  watch("realloc\n");
  return __libc_realloc(old, size);
}
void free(void* old) {
  if (old) watch("free\n");
  __libc_free(old);
}
void* memalign(std::size_t alignment, std::size_t size) {
  watch("memalign\n");
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  *out = memalign(alignment, size);
  return *out ? 0 : ENOMEM;
}
}

static void play(fp_stream* stream, std::uint32_t channels, std::size_t samples, const std::vector<std::int16_t>& audio,
                 std::vector<float>& values, long* frames) {
  fp_frame frame{};
  float floats[480];
  for (std::size_t at = 0, turn = 0; at < samples; ++turn) {
    const std::size_t count = std::min<std::size_t>(1 + turn * 37 % 480, samples - at);
    const std::int16_t* const from = audio.data() + at % (audio.size() - 480);
    std::size_t taken = 0;
    if (turn % 2) {
      tool::must("push", [&](fp_error* e) { return fp_stream_push_i16(stream, from, count, &taken, e); });
    } else {
      for (std::size_t i = 0; i < count; ++i) floats[i] = from[i] / 32768.0f;
      tool::must("push", [&](fp_error* e) { return fp_stream_push_f32(stream, floats, count, &taken, e); });
    }
    at += taken;
    while (tool::pull(stream, values, frame) == FP_OK) ++*frames;
  }
  fp_stream_finish(stream, nullptr);
  while (tool::pull(stream, values, frame) == FP_OK) ++*frames;
  fp_stream_reset(stream, nullptr);
  fp_stream_set_curve(stream, channels - 1, nullptr, nullptr);
}

// A minute is a minute of every voice; each hears the same audio a little later than the one before.
static void play_crowd(fp_crowd* crowd, const std::vector<fp_stream*>& streams, std::size_t samples,
                       const std::vector<std::int16_t>& audio, std::vector<float>& values, long* frames) {
  fp_frame frame{};
  const auto run = [&] {
    tool::must("crowd", [&](fp_error* e) { return fp_crowd_run(crowd, streams.data(), streams.size(), nullptr, e); });
    for (fp_stream* const stream : streams)
      while (tool::pull(stream, values, frame) == FP_OK) ++*frames;
  };
  for (std::size_t at = 0, turn = 0; at < samples; ++turn) {
    const std::size_t count = std::min<std::size_t>(1 + turn * 37 % 480, samples - at);
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const std::int16_t* const from = audio.data() + (at + 100 * i) % (audio.size() - 480);
      std::size_t taken = 0;
      tool::must("push", [&](fp_error* e) { return fp_stream_push_i16(streams[i], from, count, &taken, e); });
    }
    at += count;
    run();
  }
  for (fp_stream* const stream : streams) fp_stream_finish(stream, nullptr);
  run();
  for (fp_stream* const stream : streams) fp_stream_reset(stream, nullptr);
}

int main(int count, char** words) {
  if (count == 2 && !std::strcmp(words[1], "--self-test")) {
    armed = true;
    return std::malloc(1) == nullptr;  // aborts
  }
  tool::expect(count == 5 || count == 6, "usage: no_alloc model.pte minutes rate_hz ensemble [voices]");
  fp_model* const model = tool::open(words[1]);
  const auto rate = static_cast<std::uint32_t>(std::atoi(words[3]));
  const auto samples = static_cast<std::size_t>(std::atof(words[2]) * 60 * rate);
  const std::uint32_t ensemble = std::atoi(words[4]) ? FP_ENSEMBLE_ON : FP_ENSEMBLE_OFF;
  std::vector<fp_stream*> streams;
  const int voices = count == 6 ? std::atoi(words[5]) : 1;
  for (int i = 0; i < voices; ++i) streams.push_back(tool::create(model, rate, ensemble));
  fp_crowd* const crowd = count == 6 ? tool::create_crowd(model) : nullptr;
  const std::uint32_t channels = tool::channels(model);
  std::vector<float> values(channels);
  const auto audio = tool::voice_from(0, 10 * rate, rate);
  long frames = 0;
  std::vector<float> style;
  while (fp_model_style_name(model, static_cast<std::uint32_t>(style.size()))) style.push_back(0.5f);
  const auto play_for = [&](std::size_t length) {
    const auto styles = static_cast<std::uint32_t>(style.size());
    for (fp_stream* const stream : streams)
      if (styles) tool::must("style", [&](fp_error* e) { return fp_stream_set_style(stream, style.data(), styles, e); });
    if (crowd) play_crowd(crowd, streams, length, audio, values, &frames);
    else play(streams[0], channels, length, audio, values, &frames);
  };
  // once on this thread, and a little on one that never pulled before
  armed = true;
  play_for(samples);
  armed = false;
  std::thread other([&] {
    armed = true;
    play_for(std::min<std::size_t>(samples, rate));
    armed = false;
  });
  other.join();
  std::printf("%ld\n", frames);
  fp_crowd_destroy(crowd);
  for (fp_stream* const stream : streams) fp_stream_destroy(stream);
  fp_model_close(model);
}
