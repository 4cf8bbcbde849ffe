// host model.pte audio.f32 rate: a stand-in of Godot, as far as tinyface_godot.c asks for it: registers the class, makes one,
// and calls its methods as typed GDScript does and with variants. Plays mono floats in blocks as a bus capture gives them,
// sixty pictures a second, the sound cut off after two thirds. Prints the channels' names, the delay, then `seconds value ...`.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "gdextension_interface.h"

extern "C" GDExtensionBool tinyface_init(GDExtensionInterfaceGetProcAddress, GDExtensionClassLibraryPtr,
                                         GDExtensionInitialization*);

namespace {

struct Variant { int type; void* slot[2]; };
struct Packed { const void* first; void* rest; };
std::map<std::string, GDExtensionClassMethodInfo> methods;
std::map<std::string, std::vector<int>> takes;
GDExtensionClassCreationInfo2 made_class;
std::string registered;
void* instance = nullptr;
int object = 7, destroyed = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "host: %s\n", what);
  std::exit(1);
}
const char* text(const void* name) { return *static_cast<const char* const*>(name); }

void new_name(GDExtensionUninitializedStringNamePtr to, const char* from, GDExtensionBool) {
  *static_cast<const char**>(to) = from;
}
void new_string(GDExtensionUninitializedStringPtr to, const char* from) { *static_cast<char**>(to) = ::strdup(from); }
GDExtensionObjectPtr construct(GDExtensionConstStringNamePtr name) {
  expect(!std::strcmp(text(name), "RefCounted"), "the parent");
  return &object;
}
void set_instance(GDExtensionObjectPtr, GDExtensionConstStringNamePtr name, GDExtensionClassInstancePtr given) {
  expect(text(name) == registered, "its own name");
  instance = given;
}
const std::uint8_t* byte_at(GDExtensionConstTypePtr self, GDExtensionInt at) {
  return static_cast<const std::uint8_t*>(static_cast<const Packed*>(self)->first) + at;
}
GDExtensionTypePtr vector_at(GDExtensionConstTypePtr self, GDExtensionInt at) {
  return const_cast<float*>(static_cast<const float*>(static_cast<const Packed*>(self)->first)) + 2 * at;
}
void to_type(GDExtensionUninitializedTypePtr to, GDExtensionVariantPtr from) {
  std::memcpy(to, static_cast<Variant*>(from)->slot, sizeof(void*) * 2);
}
void from_type(GDExtensionUninitializedVariantPtr to, GDExtensionTypePtr from) {
  std::memcpy(static_cast<Variant*>(to)->slot, from, sizeof(void*) * 2);
}
void destroy(GDExtensionTypePtr) { ++destroyed; }
GDExtensionTypeFromVariantConstructorFunc get_to_type(GDExtensionVariantType) { return to_type; }
GDExtensionVariantFromTypeConstructorFunc get_from_type(GDExtensionVariantType) { return from_type; }
GDExtensionPtrDestructor get_destructor(GDExtensionVariantType) { return destroy; }
void register_class(GDExtensionClassLibraryPtr, GDExtensionConstStringNamePtr name, GDExtensionConstStringNamePtr,
                    const GDExtensionClassCreationInfo2* info) {
  registered = text(name), made_class = *info;
}
void register_method(GDExtensionClassLibraryPtr, GDExtensionConstStringNamePtr, const GDExtensionClassMethodInfo* info) {
  methods[text(info->name)] = *info;
  for (std::uint32_t i = 0; i < info->argument_count; ++i)
    takes[text(info->name)].push_back(static_cast<int>(info->arguments_info[i].type));
}

GDExtensionInterfaceFunctionPtr get(const char* name) {
  static const std::map<std::string, GDExtensionInterfaceFunctionPtr> known = {
#define GIVE(name, function) {name, reinterpret_cast<GDExtensionInterfaceFunctionPtr>(function)}
      GIVE("string_name_new_with_latin1_chars", new_name), GIVE("string_new_with_utf8_chars", new_string),
      GIVE("classdb_construct_object", construct), GIVE("object_set_instance", set_instance),
      GIVE("packed_byte_array_operator_index_const", byte_at),
      GIVE("packed_vector2_array_operator_index_const", vector_at),
      GIVE("get_variant_to_type_constructor", get_to_type), GIVE("get_variant_from_type_constructor", get_from_type),
      GIVE("variant_get_ptr_destructor", get_destructor), GIVE("classdb_register_extension_class2", register_class),
      GIVE("classdb_register_extension_class_method", register_method)};
#undef GIVE
  const auto found = known.find(name);
  return found == known.end() ? nullptr : found->second;
}

// As typed GDScript calls.
template <class Result, class... Arguments>
Result call(const char* name, const Arguments&... arguments) {
  const GDExtensionClassMethodInfo& method = methods.at(name);
  const GDExtensionConstTypePtr given[] = {&arguments..., nullptr};
  Result made{};
  method.ptrcall_func(method.method_userdata, instance, given, &made);
  return made;
}

std::vector<char> read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void call_with_variants() {
  Variant channel{GDEXTENSION_VARIANT_TYPE_INT, {}}, made{};
  const GDExtensionConstVariantPtr given[] = {&channel};
  GDExtensionCallError error{};
  const GDExtensionClassMethodInfo& method = methods.at("channel_name");
  method.call_func(method.method_userdata, instance, given, 1, &made, &error);
  expect(error.error == GDEXTENSION_CALL_OK && !std::strcmp(text(made.slot), call<char*>("channel_name", std::int64_t{0})),
         "variants give the same");
  expect(destroyed == 1, "what was made for the call is given back");
  method.call_func(method.method_userdata, instance, given, 0, &made, &error);
  expect(error.error == GDEXTENSION_CALL_ERROR_TOO_FEW_ARGUMENTS && error.expected == 1, "too few");
}

}  // namespace

int main(int, char** words) {
  GDExtensionInitialization initialization{};
  expect(tinyface_init(get, nullptr, &initialization), "init");
  initialization.initialize(nullptr, GDEXTENSION_INITIALIZATION_SERVERS);
  expect(methods.empty(), "classes come with scenes");
  initialization.initialize(nullptr, GDEXTENSION_INITIALIZATION_SCENE);
  expect(registered == "TinyfaceVoice" && methods.size() == 8, "the class and its methods");
  expect(takes["push"] == std::vector<int>({GDEXTENSION_VARIANT_TYPE_PACKED_VECTOR2_ARRAY, GDEXTENSION_VARIANT_TYPE_INT,
                                            GDEXTENSION_VARIANT_TYPE_FLOAT}), "what push takes");
  made_class.create_instance_func(nullptr);
  const std::vector<char> bytes = read(words[1]), sound = read(words[2]);
  const auto* const audio = reinterpret_cast<const float*>(sound.data());
  const std::int64_t rate = std::atoi(words[3]), samples = std::int64_t(sound.size() / sizeof(float));
  const std::int64_t size = std::int64_t(bytes.size()), block = 512;
  const Packed whole{bytes.data(), nullptr};
  expect(!call<GDExtensionBool>("pull", 0.0) && !call<GDExtensionBool>("open", whole, std::int64_t{9}, rate, block),
         "nothing is open, and half a file is none");
  expect(std::strlen(call<char*>("error")) > 8, "it says why");
  for (int again = 0; again < 2; ++again) {  // a voice that was open is none after an artefact that cannot be read
    const Packed nothing{nullptr, nullptr};
    expect(!call<GDExtensionBool>("open", nothing, std::int64_t{0}, rate, block), "nothing is no artefact");
    expect(std::strlen(call<char*>("error")) > 8, "it says why nothing is none");
    expect(!call<GDExtensionBool>("pull", 0.0) && !call<std::int64_t>("channels"), "and nothing is open");
    expect(call<GDExtensionBool>("open", whole, size, rate, block), call<char*>("error"));
    expect(call<GDExtensionBool>("pull", 0.0) && call<std::int64_t>("channels") > 0, "it is open");
  }
  expect(!call<GDExtensionBool>("open", whole, size, std::int64_t{1}, block), "a rate that is none");
  expect(std::strlen(call<char*>("error")) > 8 && !std::strlen(call<char*>("channel_name", std::int64_t{0})),
         "it says why, and the model is closed");
  expect(call<GDExtensionBool>("open", whole, size, rate, block), call<char*>("error"));
  call_with_variants();
  const auto channels = call<std::int64_t>("channels");
  for (std::int64_t i = 0; i < channels; ++i) std::printf("%s ", call<char*>("channel_name", i));
  std::printf("\n%.17g\n", call<double>("delay_s"));
  const std::int64_t cut = samples * 2 / 3 / block * block;
  std::int64_t at = 0;
  for (std::int64_t tick = 0; tick < 60 * (samples / rate) + 40; ++tick) {
    const double now = double(tick) / 60;
    for (; at < cut && double(at + block) / double(rate) <= now; at += block) {
      std::vector<float> stereo;
      for (std::int64_t i = 0; i < block; ++i) stereo.insert(stereo.end(), 2, audio[at + i]);
      const Packed frames{stereo.data(), nullptr};
      expect(call<GDExtensionBool>("push", frames, block, 100 + double(at + block) / double(rate)), "push");
    }
    expect(call<GDExtensionBool>("pull", 100 + now), "pull");
    std::printf("%.17g", now);
    for (std::int64_t i = 0; i < channels; ++i) std::printf(" %.9g", call<double>("value", i));
    std::puts("");
  }
  made_class.free_instance_func(nullptr, instance);
}
