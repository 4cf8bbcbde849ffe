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

namespace {

// Runs the hops of `voices`, streams or tracks, which must be there and of the crowd's own model.
template <class Handle>
fp_status run(fp_crowd* crowd, Handle* const* voices, const char* what, size_t count, size_t* hops, fp_error* error) {
  if (const fp_status status = check_handle(crowd, "crowd", error)) return status;
  if (!voices && count) return null(error, what);
  for (std::size_t i = 0; i < count; ++i) {
    if (!voices[i] || check_handle(voices[i], what, nullptr))
      return fail(error, FP_BAD_ARGUMENT, "%s %zu of the crowd is NULL or of another kind", what, i);
    if (!voices[i]->model.same(crowd->model))
      return fail(error, FP_BAD_ARGUMENT, "%s %zu is of another fp_model than the crowd: make a crowd for each", what, i);
  }
  std::size_t ran = 0;
  const char* reason = "";
  const fp_status status = crowd->crowd.run(voices, count, &ran, &reason);
  if (hops) *hops = ran;
  return status < 0 ? fail(error, status, "%s", reason) : status;
}

}  // namespace

fp_status fp_crowd_run(fp_crowd* crowd, fp_stream* const* streams, size_t count, size_t* hops, fp_error* error) {
  return run(crowd, streams, "stream", count, hops, error);
}

fp_status fp_crowd_run_tracks(fp_crowd* crowd, fp_track* const* tracks, size_t count, size_t* hops, fp_error* error) {
  return run(crowd, tracks, "track", count, hops, error);
}
