/* frame_stream.h: speech audio in, face-rig frames out, from one artefact, in C99.
 *
 *     fp_model_open("model.pte", &model, &error);
 *     fp_stream_create(model, &config, &stream, &error);
 *     loop:   fp_stream_push_f32(stream, samples, count, &taken, &error);      audio thread: no lock, no heap
 *             while (fp_stream_pull(stream, &frame, values, channels, &error) == FP_OK) use(values);
 *     end:    fp_stream_finish(stream, &error), pull until FP_END
 *
 * One fp_model holds the program and its weights once; any number of fp_stream voices share it. Frames equal those of
 * the Python package `sdk` for the same artefact and audio, whatever the chunking. Both families of students play
 * through these functions: window students, which look at half a second again for every frame, and stream students,
 * which run each hop of 20 ms once and remember. Many voices of a stream student are cheaper together: fp_crowd.
 *
 * The rules of every function
 *   status    FP_OK is 0; positive is news (FP_AGAIN, FP_END), negative is failure. A failure changes nothing: the
 *             objects stay as they were, outputs are untouched except that handles are set to NULL.
 *   error     last parameter, may be NULL. On failure it receives what, why and what to do, in English, NUL-ended;
 *             otherwise it is left alone. It belongs to the caller.
 *   structs   that may grow begin with struct_size: set it to sizeof of the struct before every call, zero the rest.
 *   threads   any function may be called from any thread; what must not overlap is said under "Thread:".
 *   nothing   prints, exits, throws across this header, starts a thread or reads the environment.
 */
#ifndef FRAME_STREAM_H
#define FRAME_STREAM_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(FP_BUILDING_LIBRARY) && !defined(FP_STATIC)
#define FP_API __declspec(dllexport)
#elif defined(_WIN32) && !defined(FP_STATIC)
#define FP_API __declspec(dllimport)
#elif defined(_WIN32)
#define FP_API
#elif defined(FP_BUILDING_LIBRARY)
#define FP_API __attribute__((visibility("default")))
#else
#define FP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when something here changes its meaning or goes away; additions leave it alone. */
#define FP_ABI_VERSION 1u

/* The ABI of the loaded library. Refuse to go on unless it equals FP_ABI_VERSION.
 * Thread: any. Allocates: never. */
FP_API uint32_t fp_abi_version(void);

/* Version and dress of the loaded library, "1.2.0 alone": what it plays without any runtime, or with which one. The
 * text is static. (since 1.2) Thread: any. Allocates: never. */
FP_API const char* fp_version_string(void);

typedef int32_t fp_status;
enum {
  FP_OK = 0,
  FP_AGAIN = 1,           /* pull: no frame is due yet. push: the buffer is full, pull frames, then push the rest */
  FP_END = 2,             /* pull: the take is finished and every frame was given */
  FP_BAD_ARGUMENT = -1,   /* NULL, an index or a size out of range */
  FP_BAD_STRUCT = -2,     /* struct_size is none that this library knows */
  FP_BAD_RATE = -3,       /* a sample rate, frame rate or ensemble weights out of range */
  FP_BAD_AUDIO = -4,      /* NaN, infinity, or floats far beyond -1..1 */
  FP_FINISHED = -5,       /* push after finish without a reset between */
  FP_NO_FILE = -6,        /* the file cannot be read */
  FP_BAD_FILE = -7,       /* foreign, truncated, altered or oversized: the seal does not hold */
  FP_BAD_MANIFEST = -8,   /* the seal holds, but the manifest inside is incomplete or contradictory */
  FP_UNSUPPORTED = -9,    /* a whole artefact of a kind, or for a runtime, that this library does not play */
  FP_BAD_PROGRAM = -10,   /* the program cannot be loaded, or does not fit its manifest */
  FP_RUN_FAILED = -11,    /* the program failed while running, or gave NaN */
  FP_OUT_OF_MEMORY = -12,
  FP_INTERNAL = -13,      /* a defect of this library */
  FP_NOT_SIGNED = -14     /* a signature is demanded, and there is none of this file by this key (since 1.3) */
};

/* A short English name of a status, "unknown status" for others. The text is static.
 * Thread: any. Allocates: never. */
FP_API const char* fp_status_string(fp_status status);

typedef struct fp_error {
  char message[512]; /* UTF-8, NUL-ended, cut to fit */
} fp_error;

/* Where the library takes all memory of its own from, since 1.2 (a runtime inside it has its own ways). `allocate` gives
 * `bytes` at a multiple of `alignment`, a power of two, or NULL: then the call that needed it fails with
 * FP_OUT_OF_MEMORY (a build without exceptions ends the process instead). Both are called on the threads that open,
 * create, close and destroy, and never in push, pull, finish, reset or fp_crowd_run. */
typedef struct fp_allocator {
  uint32_t struct_size;
  uint32_t reserved;   /* 0 */
  void* (*allocate)(void* user, size_t bytes, size_t alignment);
  void (*release)(void* user, void* memory, size_t bytes, size_t alignment);
  void* user;
} fp_allocator;

/* Use it for the whole process; NULL: malloc and free again. FP_BAD_ARGUMENT while anything of the library is alive.
 * Owner: it is copied. Thread: no other call of the library may run. */
FP_API fp_status fp_set_allocator(const fp_allocator* allocator, fp_error* error);

/* ------------------------------------------------------------------------------------------------ model */

/* A loaded artefact: program, weights, rig. Immutable; shared by its streams. */
typedef struct fp_model fp_model;

enum {
  FP_KIND_WINDOW = 0,
  FP_KIND_STREAM = 1
};

/* What an artefact says about itself. Strings belong to the model and live until fp_model_close. */
typedef struct fp_model_info {
  uint32_t struct_size;
  uint32_t channels;           /* values in every frame */
  uint32_t sample_rate_hz;     /* of the model itself: 16000. Streams take any rate */
  uint32_t window_samples;     /* at 16 kHz: what a window student looks at; of a stream student its hop */
  uint32_t future_samples;     /* what it must hear after the frame's own sample */
  uint32_t fps_numerator;      /* native frame rate */
  uint32_t fps_denominator;
  uint32_t ensemble;           /* 1 if the artefact asks for the real-time ensemble, else 0 */
  float ensemble_weights[3];   /* zeros without ensemble */
  uint32_t reserved;           /* 0 */
  uint64_t parameters;
  uint64_t artifact_bytes;
  const char* student;         /* variant, "s2" */
  const char* precision;       /* "fp32", "int8" */
  const char* backend;         /* kernels inside: "xnnpack", or "tinyface", our own */
  const char* sha256;          /* of the seal, 64 hex digits */
  uint32_t kind;               /* FP_KIND_... (this and the rest: since 1.1) */
  uint32_t hop_samples;        /* at 16 kHz: of a stream student; 0 of a window student */
  uint32_t state_bytes;        /* what one voice of a stream student remembers; 0 of a window student */
  uint32_t crowd_voices;       /* that a crowd runs in one call; 0 without a program for crowds */
} fp_model_info;

/* Whom to trust. The seal is a hash: it tells a damaged file, not one that somebody made to do harm. A file for our own
 * kernels ("tinyface") is checked number by number before it runs, and may come from anywhere. XNNPACK does not check
 * what it is given: a hostile file for it can end the process or take all its memory. Open such files only if you know
 * who made them: demand their signature with fp_model_open_signed; or in a process of their own; or build the library
 * without XNNPACK, which then refuses them. */

/* Open the artefact at `path` (UTF-8). Checks size, seal (SHA-256 over every byte), manifest and program, and runs
 * the program once. The file stays mapped until the last user of the model is gone: replace it by renaming, not
 * in place.
 * Owner: the caller, of *model, until fp_model_close. Thread: any. Allocates: yes. */
FP_API fp_status fp_model_open(const char* path, fp_model** model, fp_error* error);

/* The same from memory. The bytes are copied: the caller may free `data` on return.
 * Owner: the caller, of *model. Thread: any. Allocates: yes. */
FP_API fp_status fp_model_open_memory(const void* data, size_t size_bytes, fp_model** model, fp_error* error);

/* Open an artefact that the owner of a public key has signed, and no other (since 1.3). `key`: the 32 bytes of an Ed25519
 * public key; `tinyface key` makes one, `tinyface sign` writes the 64 bytes of a signature beside the file, which lies at
 * `path` with ".sig" at its end. Nothing of a file that is not signed is read but its seal: FP_NOT_SIGNED.
 * Owner, thread, heap: as fp_model_open. FP_UNSUPPORTED: the library was built with FRAME_STREAM_SIGNATURES off. */
FP_API fp_status fp_model_open_signed(const char* path, const uint8_t* key, fp_model** model, fp_error* error);

/* The same from memory: `signature` is the 64 bytes of model.pte.sig. */
FP_API fp_status fp_model_open_memory_signed(const void* data, size_t size_bytes, const uint8_t* signature,
                                             const uint8_t* key, fp_model** model, fp_error* error);

/* The same where the bytes lie: nothing is copied, so an artefact in flash, or linked into the program, takes no memory
 * of its own. `data` must be a multiple of 64, and its bytes must stay as they are until the last user of the model is
 * gone. (since 1.3)
 * Owner: the caller, of *model and of the bytes. Thread: any. Allocates: yes. */
FP_API fp_status fp_model_open_in_place(const void* data, size_t size_bytes, fp_model** model, fp_error* error);

/* Give the handle back; NULL is fine. Streams and crowds made from it keep what they need and go on working.
 * Thread: any, once. Frees. */
FP_API void fp_model_close(fp_model* model);

/* Fill `info`. Thread: any. Allocates: never. */
FP_API fp_status fp_model_get_info(const fp_model* model, fp_model_info* info, fp_error* error);

/* The name of a channel, in the order of the values; NULL for an index out of range. Lives until fp_model_close.
 * Thread: any. Allocates: never. */
FP_API const char* fp_model_channel_name(const fp_model* model, uint32_t channel);

/* The name of a style of an artefact that `python -m export.styled` wrote, and NULL beyond the last, of most artefacts at
 * once. Styles are set by place: fp_stream_set_style. (since 1.4) Thread: any. Allocates: never. */
FP_API const char* fp_model_style_name(const fp_model* model, uint32_t style);

/* The range of a channel and its value at rest; each pointer may be NULL. Thread: any. Allocates: never. */
FP_API fp_status fp_model_channel_range(const fp_model* model, uint32_t channel, float* minimum, float* maximum,
                                        float* neutral, fp_error* error);

enum {
  FP_VISEMES = 15 /* OVR's: sil PP FF TH DD kk CH SS nn RR aa E ih oh ou */
};

/* The face of `values`, a frame of this model, as weights of the 15 visemes: none negative, together 1. They are read off the
 * face by the names of its channels, ARKit's, and need no calibration; of a rig without them all is silence. `count` must be
 * FP_VISEMES. (since 1.2) Owner: the caller, of both. Thread: any. Allocates: never. */
FP_API fp_status fp_model_visemes(const fp_model* model, const float* values, uint32_t channels, float* weights,
                                  uint32_t count, fp_error* error);

/* ----------------------------------------------------------------------------------------------- stream */

/* One voice. Push and finish from one thread, pull from one thread; these two may differ and never wait for one
 * another. Two streams of one model pulled on two threads wait for each other: open the model once for each thread
 * that shall run at the same time. */
typedef struct fp_stream fp_stream;

enum {
  FP_ENSEMBLE_AS_MODEL = 0, /* as the artefact says */
  FP_ENSEMBLE_OFF = 1,
  FP_ENSEMBLE_ON = 2        /* smoother, one frame at twice the rate later (16.7 ms at 30 fps); twice the work with a */
                            /* window student, none with a stream student */
};

/* How a voice is heard and played. Zero means "the artefact's own" or what the line says; only the rate must be set. */
typedef struct fp_stream_config {
  uint32_t struct_size;
  uint32_t sample_rate_hz;   /* of the audio that is pushed: 8000 to 96000 */
  uint32_t audio_channels;   /* interleaved, averaged: 1 to 8. 0: mono */
  uint32_t fps_numerator;    /* frames a second, 1 to 240 (120 with ensemble), both numbers at most 1000000. 0 and 0: */
  uint32_t fps_denominator;  /* the artefact's own */
  uint32_t ensemble;         /* FP_ENSEMBLE_... */
  float ensemble_weights[3]; /* three within 0..1 that sum to 1. Zeros: the artefact's own, or one third each */
  uint32_t buffer_samples;   /* what may be pushed ahead of pull, a channel, at most 60 s. 0: half a second */
} fp_stream_config;

/* A voice at the start of a take. All memory that it will ever use is allocated here.
 * Owner: the caller, of *stream, until fp_stream_destroy. Thread: any. Allocates: yes. */
FP_API fp_status fp_stream_create(const fp_model* model, const fp_stream_config* config, fp_stream** stream,
                                  fp_error* error);

/* Give the handle back; NULL is fine. Thread: no other call on this stream may run. Frees. */
FP_API void fp_stream_destroy(fp_stream* stream);

/* Take audio in: `count` samples of each audio channel (interleaved), float within -1..1 or int16.
 * FP_OK: all were taken. FP_AGAIN: the buffer is full; *taken says how many were, push the rest after pulling.
 * FP_BAD_AUDIO: of those that would fit, some are not finite or reach beyond 100; none was taken.
 * `taken` receives how many were taken and must not be NULL; `samples` may be NULL when `count` is 0.
 * Owner: the caller keeps `samples`. Thread: the pushing one. Allocates: never. Locks: never. */
FP_API fp_status fp_stream_push_f32(fp_stream* stream, const float* samples, size_t count, size_t* taken,
                                    fp_error* error);
FP_API fp_status fp_stream_push_i16(fp_stream* stream, const int16_t* samples, size_t count, size_t* taken,
                                    fp_error* error);

/* Where a frame belongs. */
typedef struct fp_frame {
  uint32_t struct_size;
  uint32_t reserved;   /* 0 */
  int64_t index;       /* 0, 1, 2, ... */
  int64_t sample;      /* absolute, at 16 kHz: index * 16000 * denominator / numerator, rounded down */
} fp_frame;

/* The next frame, if one is due: its place in `frame`, its values in `values`, in channel order.
 * `channels` must be the model's. FP_OK: a frame was written. FP_AGAIN: push more. FP_END: there are no more.
 * FP_RUN_FAILED: the program failed; nothing was written.
 * Runs a window student once for a frame, with ensemble twice (three times for the first frame). Runs the hops of a
 * stream student up to that frame which did not run before, here or in fp_crowd_run.
 * Owner: the caller, of both. Thread: the pulling one. Allocates: never (but a C library may set up a thread's own
 * storage at its first pull). Locks: the model, against other streams of the same model. */
FP_API fp_status fp_stream_pull(fp_stream* stream, fp_frame* frame, float* values, uint32_t channels, fp_error* error);

/* No more audio in this take: silence follows, and the last frames fall due. There is a frame k wherever its sample
 * holds audio. A second call changes nothing.
 * Thread: the pushing one. Allocates: never. Locks: never. */
FP_API fp_status fp_stream_finish(fp_stream* stream, fp_error* error);

/* Forget everything: the next sample pushed is sample 0 of a new take. Curves stay as set.
 * Thread: no other call on this stream may run. Allocates: never. */
FP_API fp_status fp_stream_reset(fp_stream* stream, fp_error* error);

/* What a take does to one channel: value = limit(gain * v + offset, minimum, maximum), where v is the frame's value
 * within the channel's own range. */
typedef struct fp_curve {
  uint32_t struct_size;
  float gain;
  float offset;
  float minimum;
  float maximum;
} fp_curve;

/* Shape one channel of one voice; `curve` NULL restores gain 1, offset 0, the channel's own range.
 * Owner: `curve` is copied. Thread: the pulling one. Allocates: never. */
FP_API fp_status fp_stream_set_curve(fp_stream* stream, uint32_t channel, const fp_curve* curve, fp_error* error);

/* From the next hop on, speak so: a strength for each of the model's styles, 0 for none of it, 1 for all, within -2..2.
 * Zeros are neutral: the very frames of a voice that was never told a style. A reset keeps it. (since 1.4)
 * FP_BAD_ARGUMENT: `count` is not the number of the model's styles, of which most have none, or a strength is out of range.
 * Owner: `strengths` is copied. Thread: the pulling one. Allocates: never. */
FP_API fp_status fp_stream_set_style(fp_stream* stream, const float* strengths, uint32_t count, fp_error* error);

/* Where the delay of a frame comes from, at worst, inference aside. */
typedef struct fp_latency {
  uint32_t struct_size;
  uint32_t future_samples;     /* at 16 kHz: the future that the student looks at */
  uint32_t ensemble_samples;   /* at 16 kHz: the next prediction that the ensemble waits for */
  uint32_t resampler_samples;  /* at the stream's rate: what band-limiting must see ahead */
  uint32_t block_samples;      /* at the stream's rate: chunks seldom end just where a frame falls due */
  uint32_t total_samples;      /* at 16 kHz: all of it, rounded up */
  uint32_t grid_samples;       /* at 16 kHz: until a stream student's hop is full; 0 of a window student (since 1.1) */
} fp_latency;

/* The latency when `chunk_samples` (at the stream's rate) are pushed at a time; 1 if each is pushed as it comes.
 * May take a while for odd frame rates: ask once. Thread: any. Allocates: never. */
FP_API fp_status fp_stream_latency_samples(const fp_stream* stream, uint32_t chunk_samples, fp_latency* latency,
                                           fp_error* error);

/* ------------------------------------------------------------------------------------------------ crowd */

/* Many voices of one stream student: one call of the program for fp_model_info.crowd_voices hops is cheaper than a call
 * for each.
 *
 *     each tick:   push audio into every stream
 *                  fp_crowd_run(crowd, streams, count, NULL, &error);
 *                  pull every stream until FP_AGAIN: its hops have run, so this only draws lines between them
 *
 * A crowd is a workplace, not a list: the streams are named in every call, come and go, and may be pulled without it.
 * Their frames are those of pull alone, but for rounding. One crowd for each thread that shall run at the same time. */
typedef struct fp_crowd fp_crowd;

/* A crowd for streams of `model`. Loads the program's method for crowds, with its own copy of the weights, and runs
 * it once. FP_UNSUPPORTED: the model is a window student. Where the artefact has no method for crowds
 * (crowd_voices is 0) the hops run one by one.
 * Owner: the caller, of *crowd, until fp_crowd_destroy. Thread: any. Allocates: yes. */
FP_API fp_status fp_crowd_create(const fp_model* model, fp_crowd** crowd, fp_error* error);

/* Give the handle back; NULL is fine. Thread: no other call on this crowd may run. Frees. */
FP_API void fp_crowd_destroy(fp_crowd* crowd);

/* Run every hop that the audio of `count` streams fills, of finished ones to the end of the take. A stream that was not
 * pulled for as long as its buffer lasts (buffer_samples) waits until it is.
 * `hops` may be NULL; it receives how many have run, also on FP_RUN_FAILED: then these stay done and the others can be
 * run again. FP_BAD_ARGUMENT, with nothing run: a stream is NULL or of another fp_model.
 * Fewer hops than three quarters of crowd_voices run one by one on the model's own program: a call for all would cost more.
 * Owner: the caller keeps `streams`, which may be NULL when `count` is 0. Thread: the pulling one of every stream
 * given; no other call on this crowd may run. Allocates: never (as fp_stream_pull). Locks: as fp_stream_pull, for hops
 * that run one by one. */
FP_API fp_status fp_crowd_run(fp_crowd* crowd, fp_stream* const* streams, size_t count, size_t* hops, fp_error* error);

/* ------------------------------------------------------------------------------------------------ track */

/* One voice as a game or a scene wants it (since 1.2): push sound in blocks of any size, ask for the face at any instant.
 * Between frames it draws lines, on the time at which blocks came, so a face does not step with them; when the sound
 * stays away it says its last frames and eases to rest; when it comes back it begins anew. A track holds two streams of
 * its own, whose buffers take its delay and a quarter of a second at least, whatever buffer_samples says. `now_s`
 * everywhere: seconds of one steady clock, the same for push and pull. */
typedef struct fp_track fp_track;

typedef struct fp_track_config {
  uint32_t struct_size;
  uint32_t block_samples;  /* at most pushed at a time, a channel: delay and pause count on it. 0: 1024 */
  float pause_s;           /* a block that is so late will not come: the sound has stopped. It was due block_samples after */
                           /* the one before, and a pause that is given counts from then as well. 0: 0.08 */
  float ease_s;            /* from the last frame to rest. 0: 0.12 */
} fp_track_config;

/* A track at rest. `track_config` may be NULL. All memory that it will ever use is allocated here.
 * Owner: the caller, of *track, until fp_track_destroy. Thread: any. Allocates: yes. */
FP_API fp_status fp_track_create(const fp_model* model, const fp_stream_config* config,
                                 const fp_track_config* track_config, fp_track** track, fp_error* error);

/* Give the handle back; NULL is fine. Thread: no other call on this track may run. Frees. */
FP_API void fp_track_destroy(fp_track* track);

/* Take audio in; `now_s` is when the block came. FP_AGAIN: nobody pulled for as long as the buffer lasts, and what did
 * not fit is lost. Thread: the pushing one. Allocates: never. Locks: never. */
FP_API fp_status fp_track_push_f32(fp_track* track, const float* samples, size_t count, double now_s, fp_error* error);
FP_API fp_status fp_track_push_i16(fp_track* track, const int16_t* samples, size_t count, double now_s,
                                   fp_error* error);

/* The face at `now_s`, which is what was heard fp_track_delay_s before; always a whole one.
 * Thread: the drawing one. Allocates: never. Locks: as fp_stream_pull. */
FP_API fp_status fp_track_pull(fp_track* track, double now_s, float* values, uint32_t channels, fp_error* error);

/* fp_crowd_run for tracks of the crowd's model: run it before the pulls of a picture, which then only draw (since 1.3). The hops of a
 * track that waits for nobody run too; everything else as fp_crowd_run has it.
 * Owner: the caller keeps `tracks`. Thread: the drawing one of every track given; no other call on this crowd may run.
 * Allocates: never. Locks: as fp_crowd_run. */
FP_API fp_status fp_crowd_run_tracks(fp_crowd* crowd, fp_track* const* tracks, size_t count, size_t* hops,
                                     fp_error* error);

/* fp_stream_set_style for a track (since 1.4). Owner: `strengths` is copied. Thread: the drawing one. Allocates: never. */
FP_API fp_status fp_track_set_style(fp_track* track, const float* strengths, uint32_t count, fp_error* error);

/* Seconds by which the face follows the sound: play the sound so much later, and they meet. Thread: any. */
FP_API double fp_track_delay_s(const fp_track* track);

#ifdef __cplusplus
}
#endif
#endif
