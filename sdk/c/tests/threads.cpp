// threads model.pte: what the header allows at the same time, done at the same time, gives the frames of one thread.
#include <algorithm>
#include <cmath>
#include <thread>

#include "tool.h"

namespace {

constexpr std::uint32_t kRate_hz = 48000;
constexpr std::size_t kSamples = 3 * kRate_hz, kChunk = 480;

// A crowd's program may round otherwise than that of one voice.
bool alike(const std::vector<float>& a, const std::vector<float>& b) {
  bool same = a.size() == b.size();
  for (std::size_t i = 0; same && i < a.size(); ++i) same = std::fabs(a[i] - b[i]) <= 1e-5f;
  return same;
}

// One thread pushes, another pulls.
std::vector<float> apart(fp_stream* stream, std::uint32_t channels) {
  std::thread pusher([stream] {
    for (std::size_t at = 0; at < kSamples;) {
      const auto audio = tool::voice_from(at, std::min(kChunk, kSamples - at), kRate_hz);
      std::size_t taken = 0;
      tool::must("push", [&](fp_error* e) { return fp_stream_push_i16(stream, audio.data(), audio.size(), &taken, e); });
      at += taken;
      if (!taken) std::this_thread::yield();
    }
    fp_stream_finish(stream, nullptr);
  });
  std::vector<float> all, values(channels);
  fp_frame frame{};
  for (fp_status status; (status = tool::pull(stream, values, frame)) != FP_END;) {
    if (status == FP_OK) all.insert(all.end(), values.begin(), values.end());
    else std::this_thread::yield();
  }
  pusher.join();
  return all;
}

// Audio is pushed to five voices by another thread, this one runs them in a crowd of its own.
std::vector<float> together(const fp_model* model, std::uint32_t channels) {
  constexpr std::size_t kVoices = 5;
  fp_stream* streams[kVoices];
  for (fp_stream*& stream : streams) stream = tool::create(model, kRate_hz);
  fp_crowd* const crowd = tool::create_crowd(model);
  std::thread pusher([&streams] {
    std::size_t at[kVoices] = {};
    for (bool more = true; more;) {
      more = false;
      for (std::size_t i = 0; i < kVoices; ++i) {
        if (at[i] == kSamples) continue;
        more = true;
        const auto audio = tool::voice_from(at[i], std::min(kChunk + 100 * i, kSamples - at[i]), kRate_hz);
        std::size_t taken = 0;
        tool::must("push",
                   [&](fp_error* e) { return fp_stream_push_i16(streams[i], audio.data(), audio.size(), &taken, e); });
        if ((at[i] += taken) == kSamples) fp_stream_finish(streams[i], nullptr);
      }
      std::this_thread::yield();
    }
  });
  std::vector<float> all[kVoices], values(channels);
  fp_frame frame{};
  for (std::size_t ended = 0; ended < kVoices;) {
    tool::must("crowd", [&](fp_error* e) { return fp_crowd_run(crowd, streams, kVoices, nullptr, e); });
    ended = 0;
    for (std::size_t i = 0; i < kVoices; ++i) {
      fp_status status;
      while ((status = tool::pull(streams[i], values, frame)) == FP_OK)
        all[i].insert(all[i].end(), values.begin(), values.end());
      ended += status == FP_END;
    }
    std::this_thread::yield();
  }
  pusher.join();
  for (std::size_t i = 1; i < kVoices; ++i) tool::expect(alike(all[i], all[0]), "five voices that hear the same");
  fp_crowd_destroy(crowd);
  for (fp_stream* const stream : streams) fp_stream_destroy(stream);
  return all[0];
}

}  // namespace

int main(int count, char** words) {
  tool::expect(count == 2, "usage: threads model.pte");
  fp_model* const model = tool::open(words[1]);
  const std::uint32_t channels = tool::channels(model);
  fp_stream* const alone = tool::create(model, kRate_hz);
  const std::vector<float> wanted = tool::animate(alone, kRate_hz, channels, kSamples, 7777);
  tool::expect(wanted.size() == 90 * channels, "three seconds are 90 frames");

  fp_stream_reset(alone, nullptr);
  tool::expect(apart(alone, channels) == wanted, "push and pull on two threads");

  std::vector<float> given[4];
  std::thread workers[4];
  for (int i = 0; i < 4; ++i)
    workers[i] = std::thread([&, i] {
      // 0 and 1 share a model; 2 and 3 open their own, at the same time
      fp_model* const own = i < 2 ? model : tool::open(words[1]);
      fp_stream* const voice = tool::create(own, kRate_hz);
      given[i] = tool::animate(voice, kRate_hz, channels, kSamples, 1000 + 100 * static_cast<std::size_t>(i));
      if (own != model) fp_model_close(own);  // before its stream, which may outlive the handle
      fp_stream_reset(voice, nullptr);
      tool::expect(tool::animate(voice, kRate_hz, channels, kSamples, kChunk) == wanted,
                   "a stream outlives the model's handle");
      fp_stream_destroy(voice);
    });
  for (std::thread& worker : workers) worker.join();
  for (const auto& values : given) tool::expect(values == wanted, "four voices on four threads");
  if (tool::info(model).kind == FP_KIND_STREAM) {
    for (int i = 0; i < 4; ++i) {
      given[i].clear();  // two crowds, and two voices that pull on the same model meanwhile
      workers[i] = std::thread([&, i] {
        fp_stream* const voice = tool::create(model, kRate_hz);
        given[i] = i < 2 ? together(model, channels) : tool::animate(voice, kRate_hz, channels, kSamples, 999);
        fp_stream_destroy(voice);
      });
    }
    for (std::thread& worker : workers) worker.join();
    for (const auto& values : given) tool::expect(alike(values, wanted), "two crowds and two voices on four threads");
  }
  fp_stream_destroy(alone);
  fp_model_close(model);
  std::puts("ok");
}
