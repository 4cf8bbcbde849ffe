// The C functions that begin with fp_model_, and the two that need no object.
#include "door/door.h"
#include "voices/handles.h"
#include "base/memory_hooks.h"

using namespace fp;

namespace {

constexpr std::size_t kAllocatorV1 = sizeof(fp_allocator);
constexpr std::size_t kInfoV1 = offsetof(fp_model_info, sha256) + sizeof(char*);

template <class Work>
fp_status open(fp_model** model, fp_error* error, Work&& work) noexcept {
  return guarded(error, [&] {
    auto opened = Shared<Model>::make();
    Failure failure = work(*opened);
    if (!failure) *model = make_owned<fp_model>(std::move(opened)).release();
    return failure;
  });
}

}  // namespace

uint32_t fp_abi_version(void) { return FP_ABI_VERSION; }

#if !defined(FP_VERSION)
#define FP_VERSION "of no version"
#endif
const char* fp_version_string(void) { return FP_VERSION; }

fp_status fp_set_allocator(const fp_allocator* allocator, fp_error* error) {
  fp_allocator known{};
  if (allocator) {
    if (const fp_status status = read_struct(allocator, &known, kAllocatorV1, error)) return status;
    if (!known.allocate || !known.release) return fail(error, FP_BAD_ARGUMENT, "allocate or release is NULL");
  }
  if (set_host_memory(known)) return FP_OK;
  return fail(error, FP_BAD_ARGUMENT, "memory is in use: set the allocator before the first model is opened");
}

const char* fp_status_string(fp_status status) {
  switch (status) {
    case FP_OK: return "ok";
    case FP_AGAIN: return "again";
    case FP_END: return "end of the take";
    case FP_BAD_ARGUMENT: return "bad argument";
    case FP_BAD_STRUCT: return "bad struct_size";
    case FP_BAD_RATE: return "rate out of range";
    case FP_BAD_AUDIO: return "unusable audio";
    case FP_FINISHED: return "the take is finished";
    case FP_NO_FILE: return "the file cannot be read";
    case FP_BAD_FILE: return "not a whole artefact";
    case FP_BAD_MANIFEST: return "bad manifest";
    case FP_UNSUPPORTED: return "unsupported artefact";
    case FP_BAD_PROGRAM: return "bad program";
    case FP_RUN_FAILED: return "the program failed to run";
    case FP_OUT_OF_MEMORY: return "out of memory";
    case FP_INTERNAL: return "internal error";
    case FP_NOT_SIGNED: return "not signed by this key";
    default: return "unknown status";
  }
}

fp_status fp_model_open(const char* path, fp_model** model, fp_error* error) {
  if (!model) return null(error, "model");
  *model = nullptr;
  if (!path) return null(error, "path");
  return open(model, error, [&](Model& opened) { return opened.open_file(path); });
}

fp_status fp_model_open_memory(const void* data, size_t size_bytes, fp_model** model, fp_error* error) {
  if (!model) return null(error, "model");
  *model = nullptr;
  if (!data) return null(error, "data");
  return open(model, error, [&](Model& opened) { return opened.open_memory(data, size_bytes); });
}

fp_status fp_model_open_signed(const char* path, const uint8_t* key, fp_model** model, fp_error* error) {
  if (!model) return null(error, "model");
  *model = nullptr;
  if (!path || !key) return null(error, path ? "key" : "path");
  return open(model, error, [&](Model& opened) { return opened.open_file(path, key); });
}

fp_status fp_model_open_memory_signed(const void* data, size_t size_bytes, const uint8_t* signature, const uint8_t* key,
                                      fp_model** model, fp_error* error) {
  if (!model) return null(error, "model");
  *model = nullptr;
  if (!data || !signature || !key) return null(error, !data ? "data" : signature ? "key" : "signature");
  return open(model, error, [&](Model& opened) { return opened.open_memory(data, size_bytes, signature, key); });
}

fp_status fp_model_open_in_place(const void* data, size_t size_bytes, fp_model** model, fp_error* error) {
  if (!model) return null(error, "model");
  *model = nullptr;
  if (!data) return null(error, "data");
  return open(model, error, [&](Model& opened) { return opened.open_in_place(data, size_bytes); });
}

void fp_model_close(fp_model* model) { Give<fp_model>()(model); }

fp_status fp_model_get_info(const fp_model* model, fp_model_info* info, fp_error* error) {
  if (const fp_status status = check_handle(model, "model", error)) return status;
  if (!info) return null(error, "info");
  if (const fp_status status = check_struct(info, kInfoV1, error)) return status;
  const Model& m = *model->model;
  const Manifest& manifest = m.manifest();
  fp_model_info out{};
  out.channels = manifest.channels();
  out.sample_rate_hz = static_cast<uint32_t>(kSampleRateHz);
  out.window_samples = manifest.window_samples;
  out.future_samples = manifest.future_samples;
  out.fps_numerator = manifest.fps_numerator;
  out.fps_denominator = manifest.fps_denominator;
  out.ensemble = manifest.ensemble.empty() ? 0 : 1;
  for (std::size_t i = 0; i < manifest.ensemble.size(); ++i)
    out.ensemble_weights[i] = static_cast<float>(manifest.ensemble[i]);
  out.parameters = manifest.parameters;
  out.artifact_bytes = m.artifact_bytes();
  out.student = manifest.student.c_str();
  out.precision = manifest.precision.c_str();
  out.backend = manifest.backend.c_str();
  out.sha256 = m.sha256().c_str();
  out.kind = manifest.is_stream() ? FP_KIND_STREAM : FP_KIND_WINDOW;
  out.hop_samples = manifest.is_stream() ? manifest.window_samples : 0;
  out.state_bytes = static_cast<uint32_t>(manifest.state_floats() * sizeof(float));
  out.crowd_voices = manifest.crowd_voices;
  write_struct(info, out);
  return FP_OK;
}

const char* fp_model_channel_name(const fp_model* model, uint32_t channel) {
  if (check_handle(model, "model", nullptr) || channel >= model->model->manifest().channels()) return nullptr;
  return model->model->manifest().names[channel].c_str();
}

const char* fp_model_style_name(const fp_model* model, uint32_t style) {
  if (check_handle(model, "model", nullptr) || style >= model->model->manifest().styles.size()) return nullptr;
  return model->model->manifest().styles[style].c_str();
}

fp_status fp_model_channel_range(const fp_model* model, uint32_t channel, float* minimum, float* maximum,
                                 float* neutral, fp_error* error) {
  if (const fp_status status = check_handle(model, "model", error)) return status;
  const Manifest& manifest = model->model->manifest();
  if (channel >= manifest.channels())
    return fail(error, FP_BAD_ARGUMENT, "channel %u: this rig has %u", channel, manifest.channels());
  if (minimum) *minimum = manifest.minimum[channel];
  if (maximum) *maximum = manifest.maximum[channel];
  if (neutral) *neutral = manifest.neutral[channel];
  return FP_OK;
}

fp_status fp_model_visemes(const fp_model* model, const float* values, uint32_t channels, float* weights, uint32_t count,
                           fp_error* error) {
  if (const fp_status status = check_handle(model, "model", error)) return status;
  if (!values || !weights) return null(error, values ? "weights" : "values");
  if (channels != model->model->manifest().channels() || count != FP_VISEMES)
    return fail(error, FP_BAD_ARGUMENT, "channels is %u and count %u: this rig has %u, and visemes are 15", channels,
                count, model->model->manifest().channels());
  model->visemes.read(values, weights);
  return FP_OK;
}
