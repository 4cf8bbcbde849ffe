// The C functions that begin with fp_crowd_.
#include "door/door.h"
#include "voices/handles.h"

using namespace fp;

fp_status fp_crowd_create(const fp_model* model, fp_crowd** crowd, fp_error* error) {
  if (!crowd) return null(error, "crowd");
  *crowd = nullptr;
  if (const fp_status status = check_handle(model, "model", error)) return status;
  return guarded(error, [&] {
    auto made = make_owned<fp_crowd>(model->model);
    Failure failure = made->crowd.open(*model->model);
    if (!failure) *crowd = made.release();
    return failure;
  });
}

void fp_crowd_destroy(fp_crowd* crowd) { Give<fp_crowd>()(crowd); }

fp_status fp_crowd_run(fp_crowd* crowd, fp_stream* const* streams, size_t count, size_t* hops, fp_error* error) {
  if (const fp_status status = check_handle(crowd, "crowd", error)) return status;
  if (!streams && count) return null(error, "streams");
  for (std::size_t i = 0; i < count; ++i) {
    if (!streams[i] || check_handle(streams[i], "stream", nullptr))
      return fail(error, FP_BAD_ARGUMENT, "stream %zu of the crowd is NULL or no stream", i);
    if (!streams[i]->model.same(crowd->model))
      return fail(error, FP_BAD_ARGUMENT, "stream %zu is of another fp_model than the crowd: make a crowd for each", i);
  }
  std::size_t ran = 0;
  const char* reason = "";
  const fp_status status = crowd->crowd.run(streams, count, &ran, &reason);
  if (hops) *hops = ran;
  return status < 0 ? fail(error, status, "%s", reason) : status;
}
