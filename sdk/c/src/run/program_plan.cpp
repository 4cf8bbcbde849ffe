// Programs of the backend tinyface, without a runtime.
#include <cstring>

#include "kernels/plan.h"
#include "artefact/manifest.h"
#include "run/program.h"
#include "run/pte.h"

namespace fp {
namespace {

Failure refuse(const String& what) {
  return {FP_BAD_PROGRAM, "the program " + what + ". It may come from another version; export it again"};
}

}  // namespace

struct Program::Opened {
  const std::uint8_t* bytes;
  std::size_t size;
};

struct Method::Loaded {
  explicit Loaded(std::size_t voices) : plan(voices, *kernels::best()) {}
  kernels::Plan plan;
  Vector<Arena> made;  // what it gives: the values, then each state
  Vector<const float*> before;
  Vector<float*> after;
};

Failure check_playable(const Manifest& manifest) {
  if (manifest.backend == "tinyface") return {};
  return {FP_UNSUPPORTED, "the artefact is for the backend " + manifest.backend +
                              ", this library plays only our own kernels: export it with --backend tinyface, or build "
                              "the library with TINYFACE_RUNTIME=executorch"};
}

Method::Method(Owned<Loaded> loaded) : loaded_(std::move(loaded)) {}
Method::~Method() = default;

const float* Method::output(std::size_t index) const noexcept { return loaded_->made[index].floats(); }

fp_status Method::run(float* const* inputs, const char**) noexcept {
  Loaded& l = *loaded_;
  for (std::size_t i = 0; i < l.before.size(); ++i) l.before[i] = inputs[1 + i];
  l.plan.run(inputs[0], l.before.data(), l.made[0].floats(), l.after.data());
  return FP_OK;
}

Program::Program() = default;
Program::~Program() = default;

Failure Program::open(const std::uint8_t* bytes, std::size_t size) {
  opened_ = make_owned<Opened>(Opened{bytes, size});
  return {};
}

Failure Program::check(const char* name, const Ends& ends) const {
  Delegate found;
  if (const char* bad = find_delegate(opened_->bytes, opened_->size, name, &found)) return refuse(bad);
  if (ends.inputs.empty() || found.voices != static_cast<std::uint32_t>(ends.inputs[0][0]))
    return refuse(String("does not take and give in `") + name + "` what its manifest says");
  return {};
}

Failure Program::load(const char* name, const Ends& ends, Owned<Method>* method) const {
  if (auto failure = check(name, ends)) return failure;
  Delegate found;
  (void)find_delegate(opened_->bytes, opened_->size, name, &found);
  auto loaded = make_owned<Method::Loaded>(found.voices);
  kernels::Plan& plan = loaded->plan;
  if (const char* bad = plan.open(found.plan, found.plan_bytes)) return refuse(String("cannot be loaded: ") + bad);
  const std::size_t voices = found.voices;
  bool fits = ends.inputs.size() == 1 + plan.states() && ends.outputs.size() == ends.inputs.size() &&
              count_of(ends.inputs[0]) == voices * plan.samples() && count_of(ends.outputs[0]) == voices * plan.values();
  for (std::size_t i = 0; fits && i < plan.states(); ++i)
    fits = count_of(ends.inputs[1 + i]) == voices * plan.state_floats(i);
  if (!fits) return refuse(String("does not take and give in `") + name + "` what its manifest says");
  for (const Shape& shape : ends.outputs) loaded->made.emplace_back(count_of(shape) * sizeof(float));
  for (std::size_t i = 0; i < plan.states(); ++i) {
    loaded->before.push_back(nullptr);
    loaded->after.push_back(loaded->made[1 + i].floats());
  }
  *method = make_owned<Method>(std::move(loaded));
  return {};
}

}  // namespace fp
