// hostile model.pte cases seed [--reseal]: damaged artefacts, each opened and played in a process of its own. Prints
// how many ended with each status, then how many processes died. --reseal gives each damaged program a seal that
// holds, as only somebody who means harm would.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>

#include "hashes/sha256.h"
#include "tool.h"

namespace {

std::string read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string damaged(const std::string& good, std::size_t limit, int kind, std::mt19937& random) {
  std::string bytes = good;
  const auto place = [&] { return random() % limit; };
  if (kind == 0) return bytes.substr(0, place());                                     // truncated
  if (kind == 1) bytes[place()] ^= static_cast<char>(1 << random() % 8);              // one bit
  if (kind == 2) bytes[place()] = static_cast<char>(random());                        // one byte
  if (kind == 3) for (int i = 0; i < 8; ++i) bytes[place()] = static_cast<char>(random());
  if (kind == 4) bytes.erase(place(), 1 + random() % 64);                             // bytes lost
  if (kind == 5) bytes.insert(place(), std::string(1 + random() % 64, '\0'));         // bytes won
  return bytes;
}

std::string resealed(std::string bytes) {
  bytes.resize(bytes.size() - 40);
  const auto digest = fp::sha256(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return bytes + std::string(digest.begin(), digest.end()) + "TINYFACE";
}

// What a game would do with it; the exit status is minus the first failure, 0 if none.
int play(const std::string& bytes) {
  fp_error error{};
  fp_model* model = nullptr;
  fp_status status = fp_model_open_memory(bytes.data(), bytes.size(), &model, &error);
  if (status < 0) return error.message[0] ? -status : 100;
  fp_stream* const stream = tool::create(model, 16000);
  const auto audio = tool::noise_from(0, 8000);
  std::vector<float> values(tool::channels(model));
  fp_frame frame{};
  frame.struct_size = sizeof frame;
  std::size_t taken;
  fp_stream_push_i16(stream, audio.data(), audio.size(), &taken, &error);
  fp_stream_finish(stream, &error);
  fp_crowd* crowd = nullptr;
  if (tool::info(model).kind == FP_KIND_STREAM) {
    if ((status = fp_crowd_create(model, &crowd, &error)) < 0) return error.message[0] ? -status : 100;
    if ((status = fp_crowd_run(crowd, &stream, 1, nullptr, &error)) < 0) return -status;
  }
  while ((status = fp_stream_pull(stream, &frame, values.data(), static_cast<std::uint32_t>(values.size()), &error)) ==
         FP_OK) {}
  return status < 0 ? -status : 0;
}

}  // namespace

int main(int count, char** words) {
  tool::expect(count >= 4, "usage: hostile model.pte cases seed [--reseal]");
  const std::string good = read(words[1]);
  const bool reseal = count > 4;
  std::mt19937 random(static_cast<unsigned>(std::atoi(words[3])));
  // with a seal that holds: the program's first 24 kB, where its structure is
  const std::size_t limit = reseal ? std::min<std::size_t>(good.size() - 44, 24576) : good.size();
  std::map<int, int> ends;
  for (int i = 0, cases = std::atoi(words[2]); i < cases; ++i) {
    std::string bytes = damaged(good, limit, reseal ? 1 + i % 3 : i % 6, random);
    if (reseal) bytes = resealed(bytes);
    else if (bytes == good) continue;
    const pid_t child = ::fork();
    if (child == 0) {
      const rlimit second{20, 20}, none{0, 0};
      ::setrlimit(RLIMIT_CPU, &second);
      ::setrlimit(RLIMIT_CORE, &none);
      ::_exit(play(bytes));
    }
    int how = 0;
    ::waitpid(child, &how, 0);
    ++ends[WIFEXITED(how) ? -WEXITSTATUS(how) : -1000];
  }
  for (const auto& [status, times] : ends)
    if (status != -1000) std::printf("%d %d %s\n", status, times, fp_status_string(status));
  std::printf("crashes %d\n", ends[-1000]);
}
