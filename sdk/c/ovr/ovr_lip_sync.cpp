// The calls of OVRLipSync on frame_stream: contexts by number, and what the newest frame of each shows.
#include "ovr_lip_sync.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>

#include "frame_stream.h"
#include "base/lock.h"
#include "base/memory.h"

namespace {

constexpr std::size_t kPiece = 512;  // samples that are handed over at a time

struct Context {
  ~Context() {
    fp_stream_destroy(stream);
    fp_model_close(model);
  }
  fp_model* model = nullptr;  // a handle of its own: its streams wait for nobody else's
  fp_stream* stream = nullptr;
  fp::Vector<float> values;
  float found[FP_VISEMES] = {1}, shown[FP_VISEMES] = {1};
  float held[FP_VISEMES];  // set by a signal; below nought: not
  float keeps = 0;         // of what was shown
  int blocks = 0, delay_ms = 0;
};

// These calls know contexts by number and one process of them, so this is the process's.
struct Library {
  fp::Mutex busy;
  fp::Vector<fp::Owned<Context>> contexts;  // context n is n - 1
  fp::String model;
  std::atomic<int> rate_hz{0}, block{0};  // every context's thread asks for them
} library;

thread_local char last_error[600] = "";  // each thread's own: contexts of several fail at once

ovrLipSyncResult refuse(ovrLipSyncResult result, const char* why) {
  std::strncpy(last_error, why, sizeof last_error - 1);
  return result;
}

// Runs `work`, which may run out of memory; nothing but a result comes out of a call that C makes.
template <class Work>
ovrLipSyncResult guarded(Work&& work) noexcept {
#if defined(__cpp_exceptions)
  try {
#endif
    return work();
#if defined(__cpp_exceptions)
  } catch (const std::bad_alloc&) {
    return refuse(ovrLipSyncError_Unknown, "there is not enough memory");
  } catch (...) {
    return refuse(ovrLipSyncError_Unknown, "a defect of this library");
  }
#endif
}

Context* find(unsigned int number) {
  const fp::Lock lock(library.busy);
  return number && number <= library.contexts.size() ? library.contexts[number - 1].get() : nullptr;
}

ovrLipSyncResult unknown_context() {
  return refuse(ovrLipSyncError_InvalidParam, "there is no such context: create it, and do not use it once destroyed");
}

ovrLipSyncResult open(Context& context, const char* path, int rate_hz) {
  fp_error error{};
  fp_model_info info{};
  fp_stream_config config{};
  fp_latency latency{};
  info.struct_size = sizeof info, config.struct_size = sizeof config, latency.struct_size = sizeof latency;
  config.sample_rate_hz = static_cast<std::uint32_t>(rate_hz);
  fp_status status = fp_model_open(path, &context.model, &error);
  if (status == FP_OK) status = fp_model_get_info(context.model, &info, &error);
  if (status == FP_OK) status = fp_stream_create(context.model, &config, &context.stream, &error);
  if (status == FP_OK)
    status = fp_stream_latency_samples(context.stream, static_cast<std::uint32_t>(std::max(library.block.load(), 1)), &latency,
                                       &error);
  if (status != FP_OK)
    return refuse(status == FP_BAD_RATE ? ovrLipSyncError_BadSampleRate : ovrLipSyncError_CannotCreateContext,
                  error.message);
  context.delay_ms = static_cast<int>((latency.total_samples * 1000u + 15999u) / 16000u);
  context.values.resize(info.channels);
  std::fill_n(context.held, FP_VISEMES, -1.0f);
  return ovrLipSyncSuccess;
}

// Every frame that is due; the newest one is what is found.
fp_status drain(Context& context, fp_error* error) {
  fp_frame place{};
  place.struct_size = sizeof place;
  const auto channels = static_cast<std::uint32_t>(context.values.size());
  fp_status status;
  while ((status = fp_stream_pull(context.stream, &place, context.values.data(), channels, error)) == FP_OK)
    status = fp_model_visemes(context.model, context.values.data(), channels, context.found, FP_VISEMES, error);
  return status;
}

template <class Sample>
fp_status push(Context& context, const Sample* audio, int count, int channels, float scale, fp_error* error) {
  float piece[kPiece];
  fp_status status = FP_OK;
  for (int at = 0; at < count && status >= 0;) {
    const int now = std::min(count - at, static_cast<int>(kPiece));
    for (int i = 0; i < now; ++i) {
      float sum = 0;
      for (int c = 0; c < channels; ++c) sum += static_cast<float>(audio[(at + i) * channels + c]);
      piece[i] = sum * scale / static_cast<float>(channels);
    }
    std::size_t taken = 0;
    status = fp_stream_push_f32(context.stream, piece, static_cast<std::size_t>(now), &taken, error);
    at += now;
    if (status >= 0) status = drain(context, error);
  }
  return status;
}

void show(Context& context) {
  for (std::size_t i = 0; i < FP_VISEMES; ++i) {
    context.shown[i] = context.found[i] + (context.shown[i] - context.found[i]) * context.keeps;
    if (context.held[i] >= 0) context.shown[i] = context.held[i];
  }
}

}  // namespace

ovrLipSyncResult ovrLipSync_SetModel(const char* path) {
  fp_model* model = nullptr;
  fp_error error{};
  if (!path) return refuse(ovrLipSyncError_InvalidParam, "path is NULL");
  if (fp_model_open(path, &model, &error) != FP_OK) return refuse(ovrLipSyncError_InvalidParam, error.message);
  fp_model_close(model);
  return guarded([&] {
    const fp::Lock lock(library.busy);
    library.model = path;
    return ovrLipSyncSuccess;
  });
}

const char* ovrLipSync_LastError(void) { return last_error; }

ovrLipSyncResult ovrLipSync_Initialize(int rate_hz, int block) {
  if (rate_hz < 8000 || rate_hz > 96000) return refuse(ovrLipSyncError_BadSampleRate, "sampleRate: give 8000 to 96000");
  if (block < 1 || block > 1 << 20) return refuse(ovrLipSyncError_InvalidParam, "bufferSize: give 1 to 1048576");
  library.rate_hz = rate_hz;
  library.block = block;
  return ovrLipSyncSuccess;
}

ovrLipSyncResult ovrLipSync_Shutdown(void) {
  const fp::Lock lock(library.busy);
  library.contexts.clear();  // the artefact is named once, and stays named
  library.rate_hz = 0;
  library.block = 0;
  return ovrLipSyncSuccess;
}

const char* ovrLipSync_GetVersion(int* major, int* minor, int* patch) {
  if (major) *major = 1;
  if (minor) *minor = 30;  // the calls of that version
  if (patch) *patch = 0;
  return fp_version_string();
}

ovrLipSyncResult ovrLipSync_CreateContext(ovrLipSyncContext* context, ovrLipSyncContextProvider provider) {
  return ovrLipSync_CreateContextEx(context, provider, 0, false);
}

ovrLipSyncResult ovrLipSync_CreateContextEx(ovrLipSyncContext* context, ovrLipSyncContextProvider provider, int rate_hz,
                                            bool faster) {
  return guarded([&] {
    fp::String model;
    {
      const fp::Lock lock(library.busy);  // another thread may name another, or shut down, while the file is read
      model = library.model;
    }
    if (model.empty())
      return refuse(ovrLipSyncError_CannotCreateContext, "no artefact was named: call ovrLipSync_SetModel first");
    return ovrLipSync_CreateContextWithModelFile(context, provider, model.c_str(), rate_hz, faster);
  });
}

ovrLipSyncResult ovrLipSync_CreateContextWithModelFile(ovrLipSyncContext* context, ovrLipSyncContextProvider,
                                                       const char* path, int rate_hz, bool) {
  if (!context || !path) return refuse(ovrLipSyncError_InvalidParam, "context or modelPath is NULL");
  const int usual_hz = library.rate_hz;
  if (!usual_hz) return refuse(ovrLipSyncError_CannotCreateContext, "call ovrLipSync_Initialize first");
  return guarded([&] {
    auto made = fp::make_owned<Context>();
    const ovrLipSyncResult result = open(*made, path, rate_hz ? rate_hz : usual_hz);
    if (result != ovrLipSyncSuccess) return result;
    const fp::Lock lock(library.busy);
    std::size_t place = 0;
    while (place < library.contexts.size() && library.contexts[place]) ++place;
    if (place == library.contexts.size()) library.contexts.emplace_back();
    library.contexts[place] = std::move(made);
    *context = static_cast<ovrLipSyncContext>(place + 1);
    return ovrLipSyncSuccess;
  });
}

ovrLipSyncResult ovrLipSync_DestroyContext(ovrLipSyncContext number) {
  if (!find(number)) return unknown_context();
  const fp::Lock lock(library.busy);
  library.contexts[number - 1].reset();
  return ovrLipSyncSuccess;
}

ovrLipSyncResult ovrLipSync_ResetContext(ovrLipSyncContext number) {
  Context* const context = find(number);
  if (!context) return unknown_context();
  fp_stream_reset(context->stream, nullptr);
  std::fill_n(context->found, FP_VISEMES, 0.0f);
  context->found[0] = 1;
  std::copy_n(context->found, FP_VISEMES, context->shown);
  context->blocks = 0;
  return ovrLipSyncSuccess;
}

ovrLipSyncResult ovrLipSync_SendSignal(ovrLipSyncContext number, ovrLipSyncSignals signal, int arg1, int arg2) {
  Context* const context = find(number);
  if (!context) return unknown_context();
  const bool viseme = signal <= ovrLipSyncSignals_VisemeAmount;
  if (signal < 0 || signal >= ovrLipSyncSignals_Count || (viseme && (arg1 < 0 || arg1 >= FP_VISEMES)))
    return refuse(ovrLipSyncError_InvalidParam, "no such signal, or no such viseme");
  const float share = static_cast<float>(std::clamp(viseme ? arg2 : arg1, 0, 100)) / 100;
  if (signal == ovrLipSyncSignals_VisemeOn) context->held[arg1] = 1;
  else if (signal == ovrLipSyncSignals_VisemeOff) context->held[arg1] = -1;
  else if (signal == ovrLipSyncSignals_VisemeAmount) context->held[arg1] = share;
  else if (signal == ovrLipSyncSignals_VisemeSmoothing) context->keeps = share * 0.95f;  // all of it would never move
  return ovrLipSyncSuccess;
}

ovrLipSyncResult ovrLipSync_ProcessFrame(ovrLipSyncContext context, const float* audio, ovrLipSyncFrame* frame) {
  return ovrLipSync_ProcessFrameEx(context, audio, library.block, ovrLipSyncAudioDataType_F32_Mono, frame);
}

ovrLipSyncResult ovrLipSync_ProcessFrameInterleaved(ovrLipSyncContext context, const float* audio,
                                                    ovrLipSyncFrame* frame) {
  return ovrLipSync_ProcessFrameEx(context, audio, library.block, ovrLipSyncAudioDataType_F32_Stereo, frame);
}

ovrLipSyncResult ovrLipSync_ProcessFrameEx(ovrLipSyncContext number, const void* audio, int count,
                                           ovrLipSyncAudioDataType type, ovrLipSyncFrame* frame) {
  Context* const context = find(number);
  if (!context) return unknown_context();
  if (!audio || !frame || !frame->visemes || frame->visemesLength < FP_VISEMES || count < 0 || type < 0 ||
      type > ovrLipSyncAudioDataType_F32_Stereo)
    return refuse(ovrLipSyncError_InvalidParam, "audio, frame or its 15 visemes are missing, or the type is unknown");
  fp_error error{};
  const int channels = type == ovrLipSyncAudioDataType_S16_Stereo || type == ovrLipSyncAudioDataType_F32_Stereo ? 2 : 1;
  const fp_status status =
      type <= ovrLipSyncAudioDataType_S16_Stereo
          ? push(*context, static_cast<const std::int16_t*>(audio), count, channels, 1 / 32768.0f, &error)
          : push(*context, static_cast<const float*>(audio), count, channels, 1.0f, &error);
  if (status < 0) return refuse(ovrLipSyncError_InvalidParam, error.message);
  show(*context);
  std::copy_n(context->shown, FP_VISEMES, frame->visemes);
  frame->frameNumber = ++context->blocks;
  frame->frameDelay = context->delay_ms;
  frame->laughterScore = 0;
  if (frame->laughterCategories) std::fill_n(frame->laughterCategories, frame->laughterCategoriesLength, 0.0f);
  return ovrLipSyncSuccess;
}

// ------------------------------------------------------------------------- the names that the Unity package asks for
int ovrLipSyncDll_Initialize(int rate_hz, int block) { return ovrLipSync_Initialize(rate_hz, block); }
void ovrLipSyncDll_Shutdown(void) { ovrLipSync_Shutdown(); }
const char* ovrLipSyncDll_GetVersion(int* major, int* minor, int* patch) {
  return ovrLipSync_GetVersion(major, minor, patch);
}
int ovrLipSyncDll_CreateContext(unsigned int* context, int provider) {
  return ovrLipSync_CreateContext(context, static_cast<ovrLipSyncContextProvider>(provider));
}
int ovrLipSyncDll_CreateContextEx(unsigned int* context, int provider, int rate_hz, bool faster) {
  return ovrLipSync_CreateContextEx(context, static_cast<ovrLipSyncContextProvider>(provider), rate_hz, faster);
}
int ovrLipSyncDll_CreateContextWithModelFile(unsigned int* context, int provider, const char* path, int rate_hz,
                                             bool faster) {
  return ovrLipSync_CreateContextWithModelFile(context, static_cast<ovrLipSyncContextProvider>(provider), path, rate_hz,
                                               faster);
}
int ovrLipSyncDll_DestroyContext(unsigned int context) { return ovrLipSync_DestroyContext(context); }
int ovrLipSyncDll_ResetContext(unsigned int context) { return ovrLipSync_ResetContext(context); }
int ovrLipSyncDll_SendSignal(unsigned int context, int signal, int arg1, int arg2) {
  return ovrLipSync_SendSignal(context, static_cast<ovrLipSyncSignals>(signal), arg1, arg2);
}
int ovrLipSyncDll_ProcessFrameEx(unsigned int context, const void* audio, unsigned int count, int type, int* number,
                                 int* delay, float* visemes, int viseme_count, float* laughter, float* categories,
                                 int category_count) {
  ovrLipSyncFrame frame{};
  frame.visemes = visemes, frame.visemesLength = static_cast<unsigned int>(std::max(viseme_count, 0));
  frame.laughterCategories = categories;
  frame.laughterCategoriesLength = static_cast<unsigned int>(std::max(category_count, 0));
  const int result = ovrLipSync_ProcessFrameEx(context, audio, static_cast<int>(count),
                                               static_cast<ovrLipSyncAudioDataType>(type), &frame);
  if (result != ovrLipSyncSuccess) return result;
  if (number) *number = frame.frameNumber;
  if (delay) *delay = frame.frameDelay;
  if (laughter) *laughter = 0;
  return result;
}
