// open_close model.pte times: everything is given back. Prints bytes in use on the heap after 20 rounds and at the end.
#include <malloc.h>

#include "tool.h"

int main(int count, char** words) {
  tool::expect(count == 3, "usage: open_close model.pte times");
  std::size_t early = 0, late = 0;
  for (int round = 0, rounds = std::atoi(words[2]); round < rounds; ++round) {
    fp_model* const model = tool::open(words[1]);
    fp_stream* const a = tool::create(model, 44100);
    fp_stream* const b = tool::create(model, 16000, FP_ENSEMBLE_ON);
    tool::animate(a, 44100, tool::channels(model), 22050, 1000);
    if (tool::info(model).kind == FP_KIND_STREAM) {
      fp_crowd* const crowd = tool::create_crowd(model);
      tool::must("crowd", [&](fp_error* error) { return fp_crowd_run(crowd, &a, 1, nullptr, error); });
      fp_crowd_destroy(crowd);
    }
    fp_stream_destroy(a);
    fp_model_close(model);
    fp_stream_destroy(b);
    fp_model* none = nullptr;
    tool::expect(fp_model_open("/nonexistent", &none, nullptr) == FP_NO_FILE && !none, "a missing file is refused");
    if (round == 20) early = ::mallinfo2().uordblks;
  }
  late = ::mallinfo2().uordblks;
  std::printf("%zu %zu\n", early, late);
}
