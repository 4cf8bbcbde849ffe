#include "engine.h"

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/runtime/backend/backend_options_map.h>
#include <executorch/runtime/backend/options.h>
#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>

#include <cmath>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include "runtime_guard.h"

namespace fp {
namespace {

namespace et = executorch::runtime;
namespace aten = executorch::aten;

constexpr std::size_t kAlign = 64;
constexpr std::size_t kOverread = 64;  // vector kernels may read, and ignore, some bytes beyond the end of a tensor
constexpr std::size_t kTemporaryBytes = 32 << 10;
constexpr std::size_t kSmallestMethodBytes = 16 << 10, kLargestMethodBytes = 16 << 20;
constexpr std::int64_t kLargestPlanBytes = 256 << 20;

// Zeroed, aligned bytes of a fixed size.
class Arena {
 public:
  explicit Arena(std::size_t size)
      : size_(size), bytes_(static_cast<std::uint8_t*>(::operator new(size + kOverread, std::align_val_t{kAlign}))) {
    std::memset(bytes_.get(), 0, size + kOverread);
  }
  std::uint8_t* data() const noexcept { return bytes_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const noexcept { ::operator delete(bytes, std::align_val_t{kAlign}); }
  };
  std::size_t size_;
  std::unique_ptr<std::uint8_t, Free> bytes_;
};

[[noreturn]] void refuse(const char* what, const RuntimeGuard& guard) {
  throw Failure(FP_BAD_PROGRAM, std::string("the program ") + what + (guard.error()[0] ? ": " : "") + guard.error() +
                                    ". It may come from another version of the runtime; export it again");
}

bool shaped(const et::Result<et::TensorInfo>& meta, std::initializer_list<std::int32_t> wanted) {
  if (!meta.ok() || meta->scalar_type() != aten::ScalarType::Float) return false;
  return std::equal(meta->sizes().begin(), meta->sizes().end(), wanted.begin(), wanted.end());
}

}  // namespace

struct Engine::Loaded {
  Loaded(const std::uint8_t* bytes, std::size_t size, const Manifest& manifest);
  void load(const Manifest& manifest, RuntimeGuard& guard);
  bool load_method(std::size_t method_bytes, RuntimeGuard& guard);
  fp_status execute(float* values, RuntimeGuard& guard, const char** reason);

  executorch::extension::BufferDataLoader loader;
  std::optional<et::Program> program;
  std::vector<Arena> planned;
  std::vector<et::Span<std::uint8_t>> planned_spans;
  std::optional<et::HierarchicalAllocator> hierarchy;
  std::optional<Arena> method_arena;
  std::optional<et::MemoryAllocator> method_memory;
  Arena temporary_arena{kTemporaryBytes};
  et::MemoryAllocator temporary{kTemporaryBytes, temporary_arena.data()};
  std::optional<et::MemoryManager> memory;

  Arena input;  // (1, 1, window_samples)
  std::size_t window_bytes, channels;
  aten::SizesType sizes[3];
  aten::DimOrderType order[3] = {0, 1, 2};
  aten::StridesType strides[3];
  aten::TensorImpl input_tensor;

  std::optional<et::Method> method;  // goes first: it uses all of the above
  std::mutex busy;
  bool broken = false;
};

Engine::Loaded::Loaded(const std::uint8_t* bytes, std::size_t size, const Manifest& manifest)
    : loader(bytes, size), input(manifest.window_samples * sizeof(float)), window_bytes(input.size()),
      channels(manifest.names.size()), sizes{1, 1, static_cast<aten::SizesType>(manifest.window_samples)},
      strides{sizes[2], sizes[2], 1},
      input_tensor(aten::ScalarType::Float, 3, sizes, input.data(), order, strides) {}

void Engine::Loaded::load(const Manifest& manifest, RuntimeGuard& guard) {
  auto opened = et::Program::load(&loader, et::Program::Verification::InternalConsistency);
  if (!opened.ok()) refuse("cannot be read", guard);
  program.emplace(std::move(*opened));
  const auto meta = program->method_meta("forward");
  if (!meta.ok()) refuse("has no method `forward`", guard);
  if (meta->num_inputs() != 1 || meta->num_outputs() != 1 || !shaped(meta->input_tensor_meta(0), {1, 1, sizes[2]}) ||
      !shaped(meta->output_tensor_meta(0), {1, static_cast<std::int32_t>(manifest.channels())}))
    refuse("does not take and give what its manifest says", guard);
  std::int64_t total = 0;
  for (std::size_t i = 0; i < meta->num_memory_planned_buffers(); ++i) {
    const auto bytes = meta->memory_planned_buffer_size(i);
    if (!bytes.ok() || *bytes < 0 || *bytes > kLargestPlanBytes || (total += *bytes) > kLargestPlanBytes)
      refuse("asks for memory beyond reason", guard);
    planned.emplace_back(static_cast<std::size_t>(*bytes));
  }
  for (const Arena& arena : planned) planned_spans.emplace_back(arena.data(), arena.size());
  std::size_t method_bytes = kSmallestMethodBytes;
  while (!load_method(method_bytes, guard)) {
    method_bytes *= 4;
    if (method_bytes > kLargestMethodBytes) refuse("asks for memory beyond reason", guard);
  }
}

// Load `forward` with `method_bytes` for its own structures; false if they do not suffice.
bool Engine::Loaded::load_method(std::size_t method_bytes, RuntimeGuard& outer) {
  method_arena.emplace(method_bytes);
  method_memory.emplace(static_cast<std::uint32_t>(method_bytes), method_arena->data());
  hierarchy.emplace(et::Span<et::Span<std::uint8_t>>(planned_spans.data(), planned_spans.size()));
  memory.emplace(&*method_memory, &*hierarchy, &temporary);
  // A workspace of its own, and no weight cache: both of the shared kinds lock the whole process in every frame.
  et::BackendOptions<2> options;
  et::LoadBackendOptionsMap backends;
  if (options.set_option("workspace_sharing_mode", 0) != et::Error::Ok ||
      options.set_option("weight_cache_enabled", false) != et::Error::Ok ||
      backends.set_options("XnnpackBackend", options.view()) != et::Error::Ok)
    refuse("cannot be given its options", outer);
  RuntimeGuard guard;  // an attempt's messages are its own
  auto opened = program->load_method("forward", &*memory, nullptr, nullptr, &backends);
  if (!opened.ok() && opened.error() == et::Error::MemoryAllocationFailed) return false;
  if (!opened.ok()) refuse("cannot be loaded", guard);
  if (guard.error()[0]) refuse("is damaged", guard);  // 1.5 reports some damage, then goes on
  method.emplace(std::move(*opened));
  return true;
}

fp_status Engine::Loaded::execute(float* values, RuntimeGuard& guard, const char** reason) {
  *reason = "the program failed to run; export it again";
  if (broken) return FP_RUN_FAILED;
  broken = true;  // unless it comes through: after an abort a method is in an unknown state
  const bool ran = method->set_input(et::EValue(aten::Tensor(&input_tensor)), 0) == et::Error::Ok &&
                   method->execute() == et::Error::Ok && !guard.error()[0];
  broken = false;
  if (!ran) return FP_RUN_FAILED;
  const et::EValue& output = method->get_output(0);
  if (!output.isTensor() || static_cast<std::size_t>(output.toTensor().numel()) != channels) return FP_RUN_FAILED;
  const float* const given = output.toTensor().const_data_ptr<float>();
  for (std::size_t i = 0; i < channels; ++i)
    if (!std::isfinite(given[i])) {
      *reason = "the program gave NaN or infinite values: its weights are damaged; export it again";
      return FP_RUN_FAILED;
    }
  std::memcpy(values, given, channels * sizeof(float));
  return FP_OK;
}

Engine::Engine(const std::uint8_t* bytes, std::size_t size, const Manifest& manifest) {
  if (manifest.runtime != "executorch")
    throw Failure(FP_UNSUPPORTED, "the artefact runs on " + manifest.runtime +
                                      ", this library plays executorch programs: use the .pte");
  start_runtime();
  RuntimeGuard guard;
  try {
    loaded_ = std::make_unique<Loaded>(bytes, size, manifest);
    loaded_->load(manifest, guard);
  } catch (const RuntimeAborted&) {
    refuse("made the runtime give up", guard);
  }
  std::vector<float> window(manifest.window_samples), values(manifest.names.size());
  const char* reason = "";
  if (run(window.data(), values.data(), &reason) != FP_OK) throw Failure(FP_RUN_FAILED, reason);
}

Engine::~Engine() = default;

fp_status Engine::run(const float* window, float* values, const char** reason) noexcept {
  const std::lock_guard<std::mutex> lock(loaded_->busy);
  RuntimeGuard guard;
  try {
    std::memcpy(loaded_->input.data(), window, loaded_->window_bytes);
    return loaded_->execute(values, guard, reason);
  } catch (...) {
    *reason = "the program made the runtime give up; export it again";
    return FP_RUN_FAILED;
  }
}

}  // namespace fp
