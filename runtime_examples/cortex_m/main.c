/* A spoken wav through the library on a bare board: a line of frames in hexadecimal, what it took at the end.
 *
 * Reads `speech.wav`, 16-bit mono, of whoever debugs the board. Says for each frame its index and the bits of its values;
 * to the error stream, one line of JSON: bytes and ticks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_stream.h"
#include "start.h"

extern const uint8_t model_bytes[], model_bytes_end[], flash_end[];
extern uint8_t data_start[], data_end[], bss_end[], end[], stack_top[];

enum { kChunk = 20, kMostChannels = 256, kStack = 32768 }; /* ms, channels, bytes that are painted */

static struct {
  size_t alive, most, blocks;
} heap;

static void* take(void* user, size_t bytes, size_t alignment) {
  uint8_t* const all = malloc(bytes + alignment + sizeof(void*));
  uintptr_t at;
  (void)user;
  if (!all) return NULL;
  at = ((uintptr_t)all + sizeof(void*) + alignment - 1) / alignment * alignment;
  ((void**)at)[-1] = all;
  heap.alive += bytes, ++heap.blocks;
  if (heap.alive > heap.most) heap.most = heap.alive;
  return (void*)at;
}

static void give(void* user, void* memory, size_t bytes, size_t alignment) {
  (void)user, (void)alignment;
  heap.alive -= bytes;
  free(((void**)memory)[-1]);
}

static void stop(const char* what, const fp_error* error) {
  char line[600];
  host_write(host_open(":tt", 9), line, (size_t)snprintf(line, sizeof line, "board: %s: %s\n", what, error->message));
  host_exit(1);
}

/* From the lowest place that is painted to here. */
static void paint_stack(uint32_t colour) {
  volatile uint32_t here = colour;
  const uintptr_t end_at = (uintptr_t)&here - 64;
  for (uintptr_t at = (uintptr_t)stack_top - kStack; at < end_at; at += 4) *(volatile uint32_t*)at = colour;
}

static unsigned stack_used(uint32_t colour) {
  uintptr_t at = (uintptr_t)stack_top - kStack;
  while (*(volatile uint32_t*)at == colour) at += 4;
  return (unsigned)((uintptr_t)stack_top - at);
}

static void print_frame(int out, const fp_frame* frame, const float* values, uint32_t channels) {
  static char line[16 + 9 * kMostChannels];
  size_t at = (size_t)sprintf(line, "%ld", (long)frame->index);
  for (uint32_t i = 0; i < channels; ++i) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    at += (size_t)sprintf(line + at, " %08lx", (unsigned long)bits);
  }
  line[at++] = '\n';
  host_write(out, line, at);
}

/* All that is due; ticks of pulling, without what printing takes. */
static uint64_t play_due(fp_stream* stream, int out, uint32_t channels) {
  static float values[kMostChannels];
  fp_error error;
  fp_frame frame = {sizeof frame, 0, 0, 0};
  uint64_t ticks = 0;
  for (;;) {
    const uint64_t before = clock_ticks();
    const fp_status status = fp_stream_pull(stream, &frame, values, channels, &error);
    ticks += clock_ticks() - before;
    if (status < 0) stop("pull", &error);
    if (status != FP_OK) return ticks;
    print_frame(out, &frame, values, channels);
  }
}

int main(void) {
  static int16_t chunk[96000 / 1000 * kChunk];
  static uint8_t head[44];
  const fp_allocator hooks = {sizeof hooks, 0, take, give, NULL};
  const uint32_t colour = 0x5AFEFACE;
  fp_error error;
  fp_model* model;
  fp_stream* stream;
  fp_model_info info = {0};
  fp_stream_config config = {0};
  const int wav = host_open("speech.wav", HOST_READ), out = host_open(":tt", HOST_WRITE);
  uint64_t opening = clock_ticks(), ticks = 0, most = 0, samples = 0;
  size_t read, loaded, made;
  char line[512];

  info.struct_size = sizeof info, config.struct_size = sizeof config;
  paint_stack(colour);
  if (wav < 0 || host_read(wav, head, sizeof head) != sizeof head || head[22] != 1 || head[34] != 16)
    strcpy(error.message, "speech.wav is no plain wav of 16 bits, mono"), stop("open", &error);
  config.sample_rate_hz = head[24] | (uint32_t)head[25] << 8 | (uint32_t)head[26] << 16;
  config.buffer_samples = 2 * config.sample_rate_hz / 1000 * kChunk;
  if (fp_set_allocator(&hooks, &error) < 0) stop("allocator", &error);
  if (fp_model_open_in_place(model_bytes, (size_t)(model_bytes_end - model_bytes), &model, &error) < 0)
    stop("open", &error);
  if (fp_model_get_info(model, &info, &error) < 0) stop("info", &error);
  if (info.channels > kMostChannels) strcpy(error.message, "more channels than this example prints"), stop("open", &error);
  loaded = heap.alive;
  opening = clock_ticks() - opening;
  if (fp_stream_create(model, &config, &stream, &error) < 0) stop("create", &error);
  made = heap.blocks;
  while ((read = host_read(wav, chunk, sizeof *chunk * (config.sample_rate_hz / 1000 * kChunk)) / sizeof *chunk) > 0) {
    size_t taken;
    const uint64_t before = clock_ticks();
    uint64_t now;
    if (fp_stream_push_i16(stream, chunk, read, &taken, &error) < 0) stop("push", &error);
    now = clock_ticks() - before + play_due(stream, out, info.channels);
    ticks += now, samples += read;
    if (now > most) most = now;
  }
  if (fp_stream_finish(stream, &error) < 0) stop("finish", &error);
  ticks += play_due(stream, out, info.channels);
  host_write(host_open(":tt", 9), line, (size_t)sprintf(
      line,
      "{\"flash_bytes\": %u, \"model_bytes\": %u, \"static_bytes\": %u, \"heap_most_bytes\": %u, \"heap_bytes\": %u, "
      "\"model_heap_bytes\": %u, \"stack_bytes\": %u, \"blocks_in_loop\": %u, \"open_ticks\": %lu, \"ticks\": %lu, "
      "\"most_ticks\": %lu, \"samples\": %lu, \"rate_hz\": %lu}\n",
      (unsigned)((uintptr_t)flash_end + (size_t)(data_end - data_start)), (unsigned)(model_bytes_end - model_bytes),
      (unsigned)(bss_end - data_start), (unsigned)heap.most, (unsigned)heap.alive, (unsigned)loaded, stack_used(colour),
      (unsigned)(heap.blocks - made), (unsigned long)opening, (unsigned long)ticks, (unsigned long)most,
      (unsigned long)samples, (unsigned long)config.sample_rate_hz));
  fp_stream_destroy(stream);
  fp_model_close(model);
  return heap.alive != 0;
}
