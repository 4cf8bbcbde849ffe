#include "run/program.h"

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/runtime/backend/backend_options_map.h>
#include <executorch/runtime/backend/options.h>
#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/executor/method.h>
#include <executorch/runtime/executor/program.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/arena.h"
#include "artefact/manifest.h"
#include "run/runtime_guard.h"

namespace fp {
namespace {

namespace et = executorch::runtime;
namespace aten = executorch::aten;

constexpr std::size_t kTemporaryBytes = 32 << 10;
constexpr std::size_t kSmallestMethodBytes = 16 << 10, kLargestMethodBytes = 16 << 20;
constexpr std::int64_t kLargestPlanBytes = 256 << 20;

// Thrown in this file only: the runtime's abort comes as an exception anyway, so its way out is used for all.
[[noreturn]] void refuse(const String& what, const RuntimeGuard& guard) {
  throw Failure(FP_BAD_PROGRAM, "the program " + what + (guard.error()[0] ? ": " : "") + guard.error() +
                                    ". It may come from another version of the runtime; export it again");
}

// Runs `work`, and gives back what it threw.
template <class Work>
Failure caught(const RuntimeGuard& guard, Work&& work) {
  try {
    try {
      work();
    } catch (const RuntimeAborted&) {
      refuse("made the runtime give up", guard);
    }
  } catch (Failure& failure) {
    return std::move(failure);
  }
  return {};
}

bool shaped(const et::Result<et::TensorInfo>& meta, const Shape& wanted) {
  if (!meta.ok() || meta->scalar_type() != aten::ScalarType::Float) return false;
  return std::equal(meta->sizes().begin(), meta->sizes().end(), wanted.begin(), wanted.end());
}

bool fits(const et::MethodMeta& meta, const Ends& ends) {
  bool same = meta.num_inputs() == ends.inputs.size() && meta.num_outputs() == ends.outputs.size();
  for (std::size_t i = 0; same && i < ends.inputs.size(); ++i)
    same = shaped(meta.input_tensor_meta(i), ends.inputs[i]);
  for (std::size_t i = 0; same && i < ends.outputs.size(); ++i)
    same = shaped(meta.output_tensor_meta(i), ends.outputs[i]);
  return same;
}

// A tensor of a shape, over memory that every run names anew.
struct Input {
  explicit Input(const Shape& shape)
      : sizes(shape.begin(), shape.end()), order(shape.size()), strides(shape.size()),
        tensor(aten::ScalarType::Float, static_cast<ssize_t>(shape.size()), sizes.data(), nullptr, order.data(),
               strides.data()) {
    std::iota(order.begin(), order.end(), aten::DimOrderType{0});
    aten::StridesType step = 1;
    for (std::size_t i = shape.size(); i-- > 0; step *= sizes[i]) strides[i] = step;
  }
  Vector<aten::SizesType> sizes;
  Vector<aten::DimOrderType> order;
  Vector<aten::StridesType> strides;
  aten::TensorImpl tensor;
};

}  // namespace

struct Program::Opened {
  Opened(const std::uint8_t* bytes, std::size_t size) : loader(bytes, size) {}
  executorch::extension::BufferDataLoader loader;
  std::optional<et::Program> program;
};

struct Method::Loaded {
  void plan(const et::MethodMeta& meta, const RuntimeGuard& guard);
  bool load(const et::Program& program, const char* name, std::size_t method_bytes, const RuntimeGuard& outer);
  bool execute(float* const* inputs, const RuntimeGuard& guard);

  Vector<Arena> planned;
  Vector<et::Span<std::uint8_t>> planned_spans;
  std::optional<et::HierarchicalAllocator> hierarchy;
  std::optional<Arena> method_arena;
  std::optional<et::MemoryAllocator> method_memory;
  Arena temporary_arena{kTemporaryBytes};
  et::MemoryAllocator temporary{kTemporaryBytes, temporary_arena.data()};
  std::optional<et::MemoryManager> memory;
  Vector<Owned<Input>> inputs;
  Vector<std::size_t> counts;  // of each output
  Vector<const float*> outputs;
  std::optional<et::Method> method;  // goes first: it uses all of the above
  bool broken = false;
};

void Method::Loaded::plan(const et::MethodMeta& meta, const RuntimeGuard& guard) {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < meta.num_memory_planned_buffers(); ++i) {
    const auto bytes = meta.memory_planned_buffer_size(i);
    if (!bytes.ok() || *bytes < 0 || *bytes > kLargestPlanBytes || (total += *bytes) > kLargestPlanBytes)
      refuse("asks for memory beyond reason", guard);
    planned.emplace_back(static_cast<std::size_t>(*bytes));
  }
  for (const Arena& arena : planned) planned_spans.emplace_back(arena.data(), arena.size());
}

// Load it with `method_bytes` for its own structures; false if they do not suffice.
bool Method::Loaded::load(const et::Program& program, const char* name, std::size_t method_bytes,
                          const RuntimeGuard& outer) {
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
  auto opened = program.load_method(name, &*memory, nullptr, nullptr, &backends);
  if (!opened.ok() && opened.error() == et::Error::MemoryAllocationFailed) return false;
  if (!opened.ok()) refuse("cannot be loaded", guard);
  if (guard.error()[0]) refuse("is damaged", guard);  // 1.5 reports some damage, then goes on
  method.emplace(std::move(*opened));
  return true;
}

bool Method::Loaded::execute(float* const* given, const RuntimeGuard& guard) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i]->tensor.set_data(given[i]);
    if (method->set_input(et::EValue(aten::Tensor(&inputs[i]->tensor)), i) != et::Error::Ok) return false;
  }
  if (method->execute() != et::Error::Ok || guard.error()[0]) return false;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const et::EValue& output = method->get_output(i);
    if (!output.isTensor() || static_cast<std::size_t>(output.toTensor().numel()) != counts[i]) return false;
    outputs[i] = output.toTensor().const_data_ptr<float>();
  }
  return true;
}

Method::Method(Owned<Loaded> loaded) : loaded_(std::move(loaded)) {}
Method::~Method() = default;

const float* Method::output(std::size_t index) const noexcept { return loaded_->outputs[index]; }

fp_status Method::run(float* const* inputs, const char** reason) noexcept {
  *reason = "the program failed to run; export it again";
  if (loaded_->broken) return FP_RUN_FAILED;
  loaded_->broken = true;  // unless it comes through: after an abort a method is in an unknown state
  RuntimeGuard guard;
  try {
    const bool ran = loaded_->execute(inputs, guard);
    loaded_->broken = false;
    return ran ? FP_OK : FP_RUN_FAILED;
  } catch (...) {
    *reason = "the program made the runtime give up; export it again";
    return FP_RUN_FAILED;
  }
}

Failure check_playable(const Manifest& manifest) {
#if !defined(FP_XNNPACK)
  if (manifest.backend == "xnnpack")
    return {FP_UNSUPPORTED, "the artefact needs XNNPACK, which this library was built without: build it with "
                            "FRAME_STREAM_XNNPACK=ON, or export for the backend tinyface"};
#else
  (void)manifest;
#endif
  return {};
}

Program::Program() = default;
Program::~Program() = default;

Failure Program::open(const std::uint8_t* bytes, std::size_t size) {
  start_runtime();
  RuntimeGuard guard;
  return caught(guard, [&] {
    opened_ = make_owned<Opened>(bytes, size);
    auto read = et::Program::load(&opened_->loader, et::Program::Verification::InternalConsistency);
    if (!read.ok()) refuse("cannot be read", guard);
    opened_->program.emplace(std::move(*read));
  });
}

Failure Program::check(const char* name, const Ends& ends) const {
  RuntimeGuard guard;
  return caught(guard, [&] {
    const auto meta = opened_->program->method_meta(name);
    if (!meta.ok()) refuse(String("has no method `") + name + "`", guard);
    if (!fits(*meta, ends)) refuse(String("does not take and give in `") + name + "` what its manifest says", guard);
  });
}

Failure Program::load(const char* name, const Ends& ends, Owned<Method>* method) const {
  if (auto failure = check(name, ends)) return failure;
  auto loaded = make_owned<Method::Loaded>();
  for (const Shape& shape : ends.inputs) loaded->inputs.push_back(make_owned<Input>(shape));
  for (const Shape& shape : ends.outputs) loaded->counts.push_back(count_of(shape));
  loaded->outputs.resize(ends.outputs.size());
  RuntimeGuard guard;
  if (auto failure = caught(guard, [&] {
        loaded->plan(*opened_->program->method_meta(name), guard);
        std::size_t method_bytes = kSmallestMethodBytes;
        while (!loaded->load(*opened_->program, name, method_bytes, guard)) {
          method_bytes *= 4;
          if (method_bytes > kLargestMethodBytes) refuse("asks for memory beyond reason", guard);
        }
      }))
    return failure;
  *method = make_owned<Method>(std::move(loaded));
  return {};
}

}  // namespace fp
