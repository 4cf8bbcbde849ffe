#include "result.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

constexpr double kFinest = 1.25;  // a bin of the histogram begins this many times later than the one before

// As in cpp_wav: an example is a folder that one copies out alone.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    char escaped[8];
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20) std::snprintf(escaped, sizeof escaped, "\\u%04x", c), out += escaped;
    else out += c;
  }
  return out + "\"";
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string optional(double value) { return value < 0 ? "null" : number(value); }
std::string optional(std::int64_t value) { return value < 0 ? "null" : std::to_string(value); }

template <class Items, class Show>
std::string list(const Items& items, Show&& show) {
  std::string out = "[";
  for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + show(item);
  return out + "]";
}

std::string numbers(const std::vector<double>& values) { return list(values, number); }

std::vector<double> all(const Case& played) {
  std::vector<double> samples;
  for (const auto& round : played.rounds_us) samples.insert(samples.end(), round.begin(), round.end());
  return samples;
}

std::string histogram(const std::vector<double>& samples) {
  std::string out = "[";
  const double least = std::max(1.0, *std::min_element(samples.begin(), samples.end()));
  const double most = *std::max_element(samples.begin(), samples.end());
  for (double edge = least; edge <= most; edge *= kFinest) {
    const auto inside = [&](double v) { return std::max(v, least) >= edge && v < edge * kFinest; };
    const auto count = std::count_if(samples.begin(), samples.end(), inside);
    out += (out.size() > 1 ? ", [" : "[") + number(edge) + ", " + std::to_string(count) + "]";
  }
  return out + "]";
}

std::string memory_rows(const Result& result, const Player& player) {
  const std::int64_t model = player.model_bytes(), voice = player.voice_bytes();
  struct Row {
    const char* name;
    std::int64_t bytes;
    bool part;
  };
  const Row rows[] = {{"model", model, true},
                      {"stream state", voice, true},
                      {"model and state", model < 0 ? -1 : model + voice, false},
                      {"RSS", result.memory.resident, false},
                      {"peak RSS", result.memory.peak_resident, false},
                      {"private", result.memory.private_dirty, false}};
  std::string out = "[";
  for (const Row& row : rows) {
    if (row.bytes < 0) continue;
    out += out.size() > 1 ? ", " : "";
    out += std::string("{\"name\": ") + quoted(row.name) + ", \"bytes\": " + std::to_string(row.bytes) +
           ", \"part\": " + (row.part ? "true" : "false") + "}";
  }
  return out + "]";
}

void write_case(std::FILE* file, const Case& played, const Result& result, const Player& player) {
  std::fprintf(file, "{\"threads\": 1, \"pacing\": \"%s\", \"cache\": \"%s\", \"load\": \"none\", \"pinned_cores\": [%s], ",
               played.real_time ? "real_time" : "flat_out", played.cold ? "cold" : "warm",
               played.core < 0 ? "" : std::to_string(played.core).c_str());
  std::fprintf(file, "\"voices\": %u, \"load_ms\": %.2f, \"cpu_us\": %s, ", played.voices, player.load_ms(),
               optional(played.processor_us).c_str());
  std::fprintf(file, "\"p50_us\": %.1f, \"p95_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, \"late_frames\": %zu, ",
               played.percentile(50), played.percentile(95), played.percentile(99), played.percentile(100), played.late());
  std::fprintf(file, "\"histogram_us\": %s, ", histogram(all(played)).c_str());
  const auto seconds = [](double value) { char text[32]; std::snprintf(text, sizeof text, "%.3f", value); return std::string(text); };
  std::fprintf(file, "\"started_s\": %s, \"cpu_rounds_us\": %s, ", list(played.started_s, seconds).c_str(),
               numbers(played.processor_rounds_us).c_str());
  std::fprintf(file, "\"memory\": %s, ", memory_rows(result, player).c_str());
  if (played.real_time)
    std::fprintf(file, "\"pace\": {\"period_us\": %.1f, \"deadline_us\": %.1f, \"response_us\": %s}, ", played.period_us,
                 played.deadline_us, numbers(played.response_us).c_str());
  else
    std::fprintf(file, "\"pace\": null, ");
  std::fprintf(file, "\"rounds_us\": %s}", list(played.rounds_us, numbers).c_str());
}

}  // namespace

std::size_t Case::late() const {
  return static_cast<std::size_t>(std::count_if(response_us.begin(), response_us.end(), [&](double v) { return v > deadline_us; }));
}

double Case::percentile(double percent) const {
  std::vector<double> samples = all(*this);
  std::sort(samples.begin(), samples.end());
  const double rank = std::ceil(static_cast<double>(samples.size()) * percent / 100) - 1;
  return samples[static_cast<std::size_t>(std::clamp(rank, 0.0, static_cast<double>(samples.size() - 1)))];
}

void write_json(std::FILE* file, const Result& result, const Player& player) {
  const Machine& m = result.machine;
  std::fprintf(file, "{\"schema\": 1, \"kind\": \"tinyface-native-profile\", \"machine\": %s, \"note\": %s,\n",
               quoted(result.machine_name).c_str(), quoted(result.note).c_str());
  std::fprintf(file, "\"environment\": {\"machine\": %s, \"cpu\": %s, \"isa\": %s, \"cores\": %u, \"memory_bytes\": %s, ",
               quoted(m.architecture).c_str(), quoted(m.cpu).c_str(), list(m.isa, quoted).c_str(), m.cores,
               optional(m.memory_bytes).c_str());
  const auto two = [](double value) { char text[32]; std::snprintf(text, sizeof text, "%.2f", value); return std::string(text); };
  std::fprintf(file, "\"system\": %s, \"python\": \"\", \"versions\": {\"frame_stream\": \"%u\"}, \"load_average\": %s, ",
               quoted(m.system).c_str(), fp_abi_version(), list(m.load_average, two).c_str());
  std::fprintf(file, "\"governor\": %s, \"gpu\": null},\n", m.governor.empty() ? "null" : quoted(m.governor).c_str());
  const fp_model_info& info = player.info();
  std::fprintf(file, "\"fps\": %.6f, \"ensemble\": %s, \"chunk_ms\": %u,\n", player.frames_per_second(),
               result.ensemble ? "true" : "false", result.chunk_ms);
  std::fprintf(file, "\"sha256\": %s, \"student\": %s, \"precision\": %s, \"channels\": %u, \"operators\": [],\n\"cases\": [",
               quoted(info.sha256).c_str(), quoted(info.student).c_str(), quoted(info.precision).c_str(), info.channels);
  for (std::size_t i = 0; i < result.cases.size(); ++i) {
    std::fputs(i ? ",\n" : "\n", file);
    write_case(file, result.cases[i], result, player);
  }
  std::fputs("\n]}\n", file);
}

void write_summary(std::FILE* file, const Result& result, const Player& player) {
  const fp_model_info& info = player.info();
  std::fprintf(file, "%s %s on %s: load %.1f ms", info.student, info.precision, result.machine_name.c_str(), player.load_ms());
  if (player.model_bytes() >= 0)
    std::fprintf(file, ", heap %.2f MB + %.1f KB a voice", double(player.model_bytes()) / 1e6, double(player.voice_bytes()) / 1e3);
  if (result.memory.peak_resident >= 0) std::fprintf(file, ", peak RSS %.1f MB", double(result.memory.peak_resident) / 1e6);
  std::fputs("\n", file);
  for (const Case& played : result.cases) {
    std::fprintf(file, "  %-9s %-4s caches  p50 %7.0f  p95 %7.0f  p99 %7.0f  max %7.0f us a frame", played.real_time ? "real time" : "flat out",
                 played.cold ? "cold" : "warm", played.percentile(50), played.percentile(95), played.percentile(99), played.percentile(100));
    if (played.real_time) std::fprintf(file, ", %zu of %zu late", played.late(), played.response_us.size());
    std::fputs("\n", file);
  }
}
