/* A class for Godot 4.2 and newer, TinyfaceVoice: speech in, the face of an instant out. Plain C99 over two headers:
 * frame_stream.h, whose fp_track does the work, and Godot's own gdextension_interface.h
 * (`godot --headless --dump-gdextension-interface`).
 *
 *     open(bytes: PackedByteArray, count, rate_hz, block) -> bool      push(frames: PackedVector2Array, count, now_s) -> bool
 *     pull(now_s) -> bool      value(channel) -> float      channels() -> int      channel_name(channel) -> String
 *     delay_s() -> float       error() -> String
 *
 * addons/tinyface/speech_face.gd is the node that listens to a bus and moves a MeshInstance3D with it. */
#include <stdlib.h>
#include <string.h>

#include "frame_stream.h"
#include "gdextension_interface.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { MOST_ARGUMENTS = 4 };

/* Godot's functions that are called here. */
static struct {
  GDExtensionClassLibraryPtr library;
  GDExtensionInterfaceStringNameNewWithLatin1Chars name;
  GDExtensionInterfaceStringNewWithUtf8Chars string;
  GDExtensionInterfaceClassdbConstructObject construct;
  GDExtensionInterfaceObjectSetInstance set_instance;
  GDExtensionInterfacePackedByteArrayOperatorIndexConst byte_at;
  GDExtensionInterfacePackedVector2ArrayOperatorIndexConst vector_at;
  GDExtensionInterfaceGetVariantToTypeConstructor to_type;
  GDExtensionInterfaceGetVariantFromTypeConstructor from_type;
  GDExtensionInterfaceVariantGetPtrDestructor destructor;
  GDExtensionInterfaceClassdbRegisterExtensionClass2 register_class;
  GDExtensionInterfaceClassdbRegisterExtensionClassMethod register_method;
} godot;

/* Any type that crosses; the largest is a packed array, two pointers. */
typedef union {
  void* pointers[2];
  int64_t whole;
  double real;
  GDExtensionBool yes;
} Slot;

static Slot class_name, parent_name; /* StringName: Godot wants theirs to last */

/* -------------------------------------------------------------------------------------------------------- the voice */
typedef struct {
  fp_model* model;
  fp_track* track;
  float* values;
  uint32_t channels;
  fp_error error;
} Voice;

static void close_voice(Voice* voice) {
  fp_track_destroy(voice->track);
  fp_model_close(voice->model);
  free(voice->values);
  memset(voice, 0, sizeof *voice);
}

/* Nothing is open afterwards, and `error` is what Godot is told. */
static int refuse(Voice* voice, fp_error error) {
  close_voice(voice);
  voice->error = error;
  return 0;
}

static int open_voice(Voice* voice, const void* bytes, size_t count, int64_t rate_hz, int64_t block) {
  static const fp_error nothing = {"the artefact is empty: it is not there, cannot be read, or is left out of the export "
                                   "(add *.pte to the filter of non-resource files)"};
  static const fp_error no_memory = {"no memory is left for a face"};
  fp_stream_config config;
  fp_track_config track;
  fp_model_info info;
  close_voice(voice);
  if (!count) return refuse(voice, nothing); /* what FileAccess gives of a file that it cannot read */
  memset(&config, 0, sizeof config);
  memset(&track, 0, sizeof track);
  memset(&info, 0, sizeof info);
  config.struct_size = sizeof config, track.struct_size = sizeof track, info.struct_size = sizeof info;
  config.sample_rate_hz = (uint32_t)rate_hz;
  config.audio_channels = 2; /* Godot's frames are stereo */
  config.buffer_samples = 2 * (uint32_t)rate_hz; /* the main thread may hang a while */
  track.block_samples = (uint32_t)block;
  if (fp_model_open_memory(bytes, count, &voice->model, &voice->error) != FP_OK ||
      fp_model_get_info(voice->model, &info, &voice->error) != FP_OK ||
      fp_track_create(voice->model, &config, &track, &voice->track, &voice->error) != FP_OK)
    return refuse(voice, voice->error);
  voice->channels = info.channels;
  voice->values = calloc(info.channels, sizeof *voice->values);
  return voice->values ? 1 : refuse(voice, no_memory);
}

/* ------------------------------------------------------------------------------------- methods, as Godot calls them */
static void open_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  const size_t count = *(const int64_t*)a[1] > 0 ? (size_t)*(const int64_t*)a[1] : 0;
  const void* const bytes = count ? godot.byte_at(a[0], 0) : NULL; /* an empty array has no first byte */
  *(GDExtensionBool*)out = (GDExtensionBool)open_voice(v, bytes, count, *(const int64_t*)a[2], *(const int64_t*)a[3]);
}

static void push_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  const int64_t count = *(const int64_t*)a[1];
  const float* const frames = count > 0 ? (const float*)godot.vector_at(a[0], 0) : NULL;
  *(GDExtensionBool*)out = count <= 0 || fp_track_push_f32(v->track, frames, (size_t)count, *(const double*)a[2],
                                                           &v->error) == FP_OK;
}

static void pull_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  *(GDExtensionBool*)out = fp_track_pull(v->track, *(const double*)a[0], v->values, v->channels, &v->error) == FP_OK;
}

static void value_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  const int64_t channel = *(const int64_t*)a[0];
  *(double*)out = channel >= 0 && channel < (int64_t)v->channels ? (double)v->values[channel] : 0;
}

static void channels_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  (void)a;
  *(int64_t*)out = v->channels;
}

static void channel_name_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  const int64_t channel = *(const int64_t*)a[0];
  const char* const name = channel >= 0 ? fp_model_channel_name(v->model, (uint32_t)channel) : NULL;
  godot.string(out, name ? name : "");
}

static void delay_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  (void)a;
  *(double*)out = fp_track_delay_s(v->track);
}

static void error_method(Voice* v, const GDExtensionConstTypePtr* a, GDExtensionTypePtr out) {
  (void)a;
  godot.string(out, v->error.message);
}

enum { YES = GDEXTENSION_VARIANT_TYPE_BOOL, INT = GDEXTENSION_VARIANT_TYPE_INT, REAL = GDEXTENSION_VARIANT_TYPE_FLOAT,
       TEXT = GDEXTENSION_VARIANT_TYPE_STRING, BYTES = GDEXTENSION_VARIANT_TYPE_PACKED_BYTE_ARRAY,
       FRAMES = GDEXTENSION_VARIANT_TYPE_PACKED_VECTOR2_ARRAY };

typedef struct {
  const char* name;
  void (*run)(Voice*, const GDExtensionConstTypePtr*, GDExtensionTypePtr);
  int gives;
  int count;
  int takes[MOST_ARGUMENTS];
} Method;

static const Method methods[] = {
    {"open", open_method, YES, 4, {BYTES, INT, INT, INT}}, {"push", push_method, YES, 3, {FRAMES, INT, REAL}},
    {"pull", pull_method, YES, 1, {REAL}},                 {"value", value_method, REAL, 1, {INT}},
    {"channels", channels_method, INT, 0, {0}},            {"channel_name", channel_name_method, TEXT, 1, {INT}},
    {"delay_s", delay_method, REAL, 0, {0}},               {"error", error_method, TEXT, 0, {0}},
};

/* From typed GDScript: values as they are. */
static void call_typed(void* method, GDExtensionClassInstancePtr voice, const GDExtensionConstTypePtr* given,
                       GDExtensionTypePtr out) {
  ((const Method*)method)->run(voice, given, out);
}

static void destroy(int type, Slot* slot) {
  if (type == TEXT || type == BYTES || type == FRAMES) godot.destructor((GDExtensionVariantType)type)(slot);
}

/* From anywhere else: variants. */
static void call_variants(void* data, GDExtensionClassInstancePtr voice, const GDExtensionConstVariantPtr* given,
                          GDExtensionInt count, GDExtensionVariantPtr out, GDExtensionCallError* error) {
  const Method* const method = data;
  Slot room[MOST_ARGUMENTS], made;
  GDExtensionConstTypePtr places[MOST_ARGUMENTS];
  int i;
  error->error = GDEXTENSION_CALL_OK;
  if (count != method->count) {
    error->error = count < method->count ? GDEXTENSION_CALL_ERROR_TOO_FEW_ARGUMENTS
                                         : GDEXTENSION_CALL_ERROR_TOO_MANY_ARGUMENTS;
    error->expected = method->count;
    return;
  }
  for (i = 0; i < method->count; ++i) {
    godot.to_type((GDExtensionVariantType)method->takes[i])(&room[i], (GDExtensionVariantPtr)given[i]);
    places[i] = &room[i];
  }
  memset(&made, 0, sizeof made);
  method->run(voice, places, &made);
  godot.from_type((GDExtensionVariantType)method->gives)(out, &made);
  destroy(method->gives, &made);
  for (i = 0; i < method->count; ++i) destroy(method->takes[i], &room[i]);
}

/* ------------------------------------------------------------------------------------------------------ registration */
static GDExtensionObjectPtr create(void* data) {
  const GDExtensionObjectPtr object = godot.construct(&parent_name);
  (void)data;
  godot.set_instance(object, &class_name, calloc(1, sizeof(Voice)));
  return object;
}

static void destroy_instance(void* data, GDExtensionClassInstancePtr instance) {
  (void)data;
  if (instance) close_voice(instance);
  free(instance);
}

static GDExtensionPropertyInfo property(int type, Slot* none, Slot* empty) {
  GDExtensionPropertyInfo info;
  memset(&info, 0, sizeof info);
  info.type = (GDExtensionVariantType)type;
  info.name = info.class_name = none;
  info.hint_string = empty;
  info.usage = 6; /* PROPERTY_USAGE_DEFAULT */
  return info;
}

static void register_methods(void) {
  Slot none, empty;
  size_t i;
  godot.name(&none, "", 1);
  godot.string(&empty, "");
  for (i = 0; i < sizeof methods / sizeof *methods; ++i) {
    const Method* const method = &methods[i];
    GDExtensionClassMethodInfo info;
    GDExtensionPropertyInfo gives = property(method->gives, &none, &empty), takes[MOST_ARGUMENTS];
    GDExtensionClassMethodArgumentMetadata plain[MOST_ARGUMENTS] = {GDEXTENSION_METHOD_ARGUMENT_METADATA_NONE};
    Slot name;
    int k;
    for (k = 0; k < method->count; ++k) takes[k] = property(method->takes[k], &none, &empty);
    memset(&info, 0, sizeof info);
    godot.name(&name, method->name, 1);
    info.name = &name;
    info.method_userdata = (void*)method;
    info.call_func = call_variants;
    info.ptrcall_func = call_typed;
    info.method_flags = GDEXTENSION_METHOD_FLAGS_DEFAULT;
    info.has_return_value = 1;
    info.return_value_info = &gives;
    info.argument_count = (uint32_t)method->count;
    info.arguments_info = takes;
    info.arguments_metadata = plain;
    godot.register_method(godot.library, &class_name, &info);
  }
}

static void initialize(void* data, GDExtensionInitializationLevel level) {
  GDExtensionClassCreationInfo2 info;
  (void)data;
  if (level != GDEXTENSION_INITIALIZATION_SCENE) return;
  godot.name(&class_name, "TinyfaceVoice", 1);
  godot.name(&parent_name, "RefCounted", 1);
  memset(&info, 0, sizeof info);
  info.is_exposed = 1;
  info.create_instance_func = create;
  info.free_instance_func = destroy_instance;
  godot.register_class(godot.library, &class_name, &parent_name, &info);
  register_methods();
}

static void deinitialize(void* data, GDExtensionInitializationLevel level) { (void)data, (void)level; }

/* What tinyface.gdextension names. */
EXPORT GDExtensionBool tinyface_init(GDExtensionInterfaceGetProcAddress get, GDExtensionClassLibraryPtr library,
                                     GDExtensionInitialization* initialization) {
  godot.library = library;
#define TAKE(field, type, words) if (!(godot.field = (type)(void (*)(void))get(words))) return 0
  TAKE(name, GDExtensionInterfaceStringNameNewWithLatin1Chars, "string_name_new_with_latin1_chars");
  TAKE(string, GDExtensionInterfaceStringNewWithUtf8Chars, "string_new_with_utf8_chars");
  TAKE(construct, GDExtensionInterfaceClassdbConstructObject, "classdb_construct_object");
  TAKE(set_instance, GDExtensionInterfaceObjectSetInstance, "object_set_instance");
  TAKE(byte_at, GDExtensionInterfacePackedByteArrayOperatorIndexConst, "packed_byte_array_operator_index_const");
  TAKE(vector_at, GDExtensionInterfacePackedVector2ArrayOperatorIndexConst, "packed_vector2_array_operator_index_const");
  TAKE(to_type, GDExtensionInterfaceGetVariantToTypeConstructor, "get_variant_to_type_constructor");
  TAKE(from_type, GDExtensionInterfaceGetVariantFromTypeConstructor, "get_variant_from_type_constructor");
  TAKE(destructor, GDExtensionInterfaceVariantGetPtrDestructor, "variant_get_ptr_destructor");
  TAKE(register_class, GDExtensionInterfaceClassdbRegisterExtensionClass2, "classdb_register_extension_class2");
  TAKE(register_method, GDExtensionInterfaceClassdbRegisterExtensionClassMethod, "classdb_register_extension_class_method");
#undef TAKE
  initialization->minimum_initialization_level = GDEXTENSION_INITIALIZATION_SCENE;
  initialization->initialize = initialize;
  initialization->deinitialize = deinitialize;
  return fp_abi_version() == FP_ABI_VERSION;
}
