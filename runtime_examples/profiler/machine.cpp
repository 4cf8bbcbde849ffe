#include "machine.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <sys/resource.h>
#include <sys/utsname.h>
#endif

namespace {

// The rest of the first line of `path` that begins with `key`, without colons and blanks before it.
std::string value_of(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const std::size_t at = line.find_first_not_of(" \t:=\"", key.size());
    std::string value = at == std::string::npos ? "" : line.substr(at);
    while (!value.empty() && (value.back() == '"' || value.back() == '\r')) value.pop_back();
    return value;
  }
  return "";
}

std::int64_t kilobytes(const char* path, const std::string& key) {
  const std::string value = value_of(path, key);
  return value.empty() ? -1 : std::atoll(value.c_str()) * 1024;
}

std::vector<std::string> instruction_sets() {
  const std::string flags = " " + value_of("/proc/cpuinfo", "flags") + value_of("/proc/cpuinfo", "Features") + " ";
  std::vector<std::string> found;
  for (const char* name : {"sse4_2", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "asimd", "asimddp", "sve"})
    if (flags.find(std::string(" ") + name + " ") != std::string::npos) found.emplace_back(name);
  return found;
}

}  // namespace

Machine this_machine() {
  Machine machine;
#if defined(__unix__) || defined(__APPLE__)
  utsname names{};
  if (uname(&names) == 0) {
    machine.architecture = names.machine;
    machine.system = std::string(names.sysname) + " " + names.release;
  }
  double load[3];
  const int count = getloadavg(load, 3);
  if (count > 0) machine.load_average.assign(load, load + count);
#endif
  const std::string distribution = value_of("/etc/os-release", "PRETTY_NAME");
  if (!distribution.empty()) machine.system = distribution + ", " + machine.system;
  machine.cpu = value_of("/proc/cpuinfo", "model name");
  if (machine.cpu.empty()) machine.cpu = value_of("/proc/cpuinfo", "Model");
  machine.isa = instruction_sets();
  machine.cores = std::thread::hardware_concurrency();
  machine.memory_bytes = kilobytes("/proc/meminfo", "MemTotal");
  std::ifstream("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") >> machine.governor;
  return machine;
}

Memory memory_now() {
  Memory memory;
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
  const struct mallinfo2 heap = mallinfo2();
  memory.heap = static_cast<std::int64_t>(heap.uordblks + heap.hblkhd);
#endif
  memory.resident = kilobytes("/proc/self/status", "VmRSS");
  memory.peak_resident = kilobytes("/proc/self/status", "VmHWM");
  memory.private_dirty = kilobytes("/proc/self/smaps_rollup", "Private_Dirty");
#if defined(__unix__) || defined(__APPLE__)
  rusage usage{};
  if (memory.peak_resident < 0 && getrusage(RUSAGE_SELF, &usage) == 0) {
#if defined(__APPLE__)
    memory.peak_resident = usage.ru_maxrss;
#else
    memory.peak_resident = static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
#endif
  }
#endif
  return memory;
}

void pin_to_core(int core) {
#if defined(__linux__)
  cpu_set_t allowed, wanted;
  CPU_ZERO(&allowed);
  CPU_ZERO(&wanted);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::ostringstream list;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &allowed)) list << (list.tellp() > 0 ? ", " : "") << i;
  const bool there = core >= 0 && core < CPU_SETSIZE && CPU_ISSET(core, &allowed);
  if (there) CPU_SET(core, &wanted);
  if (!there || sched_setaffinity(0, sizeof wanted, &wanted) != 0)
    throw std::runtime_error("core " + std::to_string(core) + " is not available: this process may use " + list.str());
#else
  throw std::runtime_error("core " + std::to_string(core) + ": this system cannot pin a process; leave --core out");
#endif
}

double processor_us() {
#if defined(__unix__) || defined(__APPLE__)
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
#else
  return static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC;
#endif
}

std::size_t last_cache_bytes() {
  std::size_t largest = 0;
  for (int i = 0; i < 8; ++i) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i) + "/size");
    std::size_t size = 0;
    char unit = 0;
    if (file >> size >> unit) largest = std::max(largest, size * (unit == 'M' ? 1024u * 1024u : 1024u));
  }
  return largest ? largest : 32u << 20;
}
