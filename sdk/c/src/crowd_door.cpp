// The C functions that begin with fp_crowd_.
#include "door.h"
#include "handles.h"

using namespace fp;

fp_status fp_crowd_create(const fp_model* model, fp_crowd** crowd, fp_error* error) {
  if (!crowd) return null(error, "crowd");
  *crowd = nullptr;
  if (!model) return null(error, "model");
  return guarded(error, [&] { *crowd = new fp_crowd{model->model, Crowd(*model->model)}; });
}

void fp_crowd_destroy(fp_crowd* crowd) { delete crowd; }

fp_status fp_crowd_run(fp_crowd* crowd, fp_stream* const* streams, size_t count, size_t* hops, fp_error* error) {
  if (!crowd) return null(error, "crowd");
  if (!streams && count) return null(error, "streams");
  for (std::size_t i = 0; i < count; ++i) {
    if (!streams[i]) return fail(error, FP_BAD_ARGUMENT, "stream %zu of the crowd is NULL", i);
    if (streams[i]->model != crowd->model)
      return fail(error, FP_BAD_ARGUMENT, "stream %zu is of another fp_model than the crowd: make a crowd for each", i);
  }
  std::size_t ran = 0;
  const char* reason = "";
  const fp_status status = crowd->crowd.run(streams, count, &ran, &reason);
  if (hops) *hops = ran;
  return status < 0 ? fail(error, status, "%s", reason) : status;
}
