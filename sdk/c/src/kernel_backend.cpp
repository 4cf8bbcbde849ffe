#include "kernel_backend.h"

#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/platform/log.h>

#include <cstring>
#include <new>
#include <vector>

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
  Loaded(const std::uint8_t* bytes, std::size_t size, std::size_t voices_, const kernels::Kernels& unit)
      : plan(bytes, size, voices_, unit), voices(voices_), before(plan.states()), after(plan.states()) {}
  Plan plan;
  std::size_t voices;
  std::vector<const float*> before;
  std::vector<float*> after;
};

std::size_t voices_of(et::ArrayRef<et::CompileSpec> specs) {
  for (const et::CompileSpec& spec : specs) {
    std::uint32_t voices = 0;
    if (!spec.key || std::strcmp(spec.key, kVoices) || spec.value.nbytes != sizeof voices) continue;
    std::memcpy(&voices, spec.value.buffer, sizeof voices);
    return voices;
  }
  throw kernels::BadPlan{"the program does not say for how many voices it is"};
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
      const auto* const bytes = static_cast<const std::uint8_t*>(processed->data());
      return new Loaded(bytes, processed->size(), voices_of(specs), *kernels::best());
    } catch (const kernels::BadPlan& bad) {
      ET_LOG(Error, "%s", bad.reason);
      return et::Error::DelegateInvalidCompatibility;
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

  void destroy(et::DelegateHandle* handle) const override { delete static_cast<Loaded*>(handle); }
};

}  // namespace

void register_kernel_backend() {
  static KernelBackend backend;
  // A second copy of this library may share the runtime: it uses the first one's, which reads its plans or refuses.
  if (!et::get_backend_class(kName)) (void)et::register_backend({kName, &backend});
}

}  // namespace fp
