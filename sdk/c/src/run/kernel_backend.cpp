#include "run/kernel_backend.h"

#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/platform/log.h>

#include <cstring>
#include <new>

#include "kernels/plan.h"

namespace fp {
namespace {

namespace et = executorch::runtime;
using executorch::aten::ScalarType;
using kernels::Plan;

constexpr const char* kName = "TinyfaceKernels";  // as export/lower/kernels.py
constexpr const char* kVoices = "voices";

// A plan, and where a call's tensors lie.
struct Loaded {
  explicit Loaded(std::size_t voices_) : plan(voices_, *kernels::best()), voices(voices_) {}
  Plan plan;
  std::size_t voices;
  Vector<const float*> before;
  Vector<float*> after;
};

// 0 if it is not said.
std::size_t voices_of(et::ArrayRef<et::CompileSpec> specs) {
  for (const et::CompileSpec& spec : specs) {
    std::uint32_t voices = 0;
    if (!spec.key || std::strcmp(spec.key, kVoices) || spec.value.nbytes != sizeof voices) continue;
    std::memcpy(&voices, spec.value.buffer, sizeof voices);
    return voices;
  }
  return 0;
}

// The floats of an argument that must have `count` of them, or null.
float* floats(const et::EValue* value, std::size_t count) {
  if (!value || !value->isTensor()) return nullptr;
  const auto& tensor = value->toTensor();
  if (tensor.scalar_type() != ScalarType::Float || static_cast<std::size_t>(tensor.numel()) != count) return nullptr;
  return tensor.mutable_data_ptr<float>();
}

class KernelBackend final : public et::BackendInterface {
 public:
  bool is_available() const override { return true; }

  et::Result<et::DelegateHandle*> init(et::BackendInitContext&, et::FreeableBuffer* processed,
                                       et::ArrayRef<et::CompileSpec> specs) const override {
    try {
      auto loaded = make_owned<Loaded>(voices_of(specs));
      const auto* const bytes = static_cast<const std::uint8_t*>(processed->data());
      if (const char* const bad = loaded->plan.open(bytes, processed->size())) {
        ET_LOG(Error, "%s", bad);
        return et::Error::DelegateInvalidCompatibility;
      }
      loaded->before.resize(loaded->plan.states());
      loaded->after.resize(loaded->plan.states());
      return loaded.release();
    } catch (const std::bad_alloc&) {
      ET_LOG(Error, "out of memory");
      return et::Error::DelegateInvalidHandle;
    }
  }

  // args: the input, the states, then the values, the states after.
  et::Error execute(et::BackendExecutionContext&, et::DelegateHandle* handle,
                    et::Span<et::EValue*> args) const override {
    Loaded& loaded = *static_cast<Loaded*>(handle);
    const std::size_t states = loaded.before.size(), voices = loaded.voices;
    if (args.size() != 2 * (states + 1)) return et::Error::InvalidArgument;
    const float* const input = floats(args[0], voices * loaded.plan.samples());
    float* const values = floats(args[1 + states], voices * loaded.plan.values());
    bool fits = input && values;
    for (std::size_t i = 0; i < states; ++i) {
      const std::size_t count = voices * loaded.plan.state_floats(i);
      loaded.before[i] = floats(args[1 + i], count);
      loaded.after[i] = floats(args[2 + states + i], count);
      fits = fits && loaded.before[i] && loaded.after[i];
    }
    if (!fits) return et::Error::InvalidArgument;
    loaded.plan.run(input, loaded.before.data(), values, loaded.after.data());
    return et::Error::Ok;
  }

  void destroy(et::DelegateHandle* handle) const override { Give<Loaded>()(static_cast<Loaded*>(handle)); }
};

}  // namespace

void register_kernel_backend() {
  static KernelBackend backend;
  // A second copy of this library may share the runtime: it uses the first one's, which reads its plans or refuses.
  if (!et::get_backend_class(kName)) (void)et::register_backend({kName, &backend});
}

}  // namespace fp
