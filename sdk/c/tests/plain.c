/* plain model.pte speech.wav: the smallest program in C. 16-bit PCM wav in, one CSV line a frame out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame_stream.h"

static void stop(const char* what, const fp_error* error) {
  fprintf(stderr, "plain: %s: %s\n", what, error->message);
  exit(1);
}

/* The rate and the channels of a wav whose format comes first, as most programs write it; at its samples after. */
static FILE* open_wav(const char* path, uint32_t* rate_hz, uint32_t* channels) {
  unsigned char head[44];
  FILE* file = fopen(path, "rb");
  if (!file || fread(head, 1, sizeof head, file) != sizeof head || memcmp(head, "RIFF", 4) || memcmp(head + 36, "data", 4) ||
      head[20] != 1 || head[34] != 16) {
    fprintf(stderr, "plain: %s is no plain 16-bit wav\n", path);
    exit(1);
  }
  *channels = head[22];
  *rate_hz = head[24] | (uint32_t)head[25] << 8 | (uint32_t)head[26] << 16;
  return file;
}

static void print_due(fp_stream* stream, float* values, uint32_t channels) {
  fp_error error;
  fp_frame frame;
  fp_status status;
  uint32_t i;
  memset(&frame, 0, sizeof frame);
  frame.struct_size = sizeof frame;
  while ((status = fp_stream_pull(stream, &frame, values, channels, &error)) == FP_OK) {
    printf("%" PRId64 ",%" PRId64, frame.index, frame.sample);
    for (i = 0; i < channels; ++i) printf(",%.9g", (double)values[i]);
    puts("");
  }
  if (status < 0) stop("pull", &error);
}

int main(int count, char** words) {
  fp_error error;
  fp_model* model;
  fp_stream* stream;
  fp_model_info info;
  fp_stream_config config;
  int16_t chunk[8 * 160];
  size_t read;
  uint32_t i;
  float* values;
  FILE* file;

  if (count != 3 || fp_abi_version() != FP_ABI_VERSION) {
    fprintf(stderr, "usage: plain model.pte speech.wav\n");
    return 2;
  }
  memset(&info, 0, sizeof info);
  memset(&config, 0, sizeof config);
  info.struct_size = sizeof info;
  config.struct_size = sizeof config;
  file = open_wav(words[2], &config.sample_rate_hz, &config.audio_channels);
  if (fp_model_open(words[1], &model, &error) < 0) stop("open", &error);
  if (fp_model_get_info(model, &info, &error) < 0) stop("info", &error);
  if (fp_stream_create(model, &config, &stream, &error) < 0) stop("create", &error);
  values = malloc(info.channels * sizeof *values);
  printf("frame,sample");
  for (i = 0; i < info.channels; ++i) printf(",%s", fp_model_channel_name(model, i));
  puts("");
  while ((read = fread(chunk, 2 * config.audio_channels, 160, file)) > 0) {
    size_t taken; /* always all of it: the buffer holds half a second and is empty by now */
    if (fp_stream_push_i16(stream, chunk, read, &taken, &error) < 0) stop("push", &error);
    print_due(stream, values, info.channels);
  }
  if (fp_stream_finish(stream, &error) < 0) stop("finish", &error);
  print_due(stream, values, info.channels);
  free(values);
  fp_stream_destroy(stream);
  fp_model_close(model);
  fclose(file);
  return 0;
}
