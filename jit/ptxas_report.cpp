#include "jit/ptxas_report.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace attnjit::jit {
namespace {

// A report looks like this (NVRTC 12.8 to 13.0). Reports of several entries follow each other; those of functions
// that were not inlined come last.
//
//   ptxas info    : Compiling entry function 'attnjit_x' for 'sm_80'
//   ptxas info    : Function properties for attnjit_x
//   ptxas         .     128 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
//   ptxas info    : Used 40 registers, used 4 barriers, 128 bytes cumulative stack size, 1024 bytes smem, 368
//   bytes cmem[0]
//   ptxas info    : Function properties for _Z3fooEf
//   ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads

std::vector<std::string_view> ptxas_lines(std::string_view log) {
  std::vector<std::string_view> lines;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    // Other lines may quote the source, which may contain anything.
    if (log.starts_with("ptxas")) lines.push_back(log.substr(0, end));
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  return lines;
}

/// The number before `unit`, as in "1024 bytes smem"; 0 if the unit does not occur.
int number_before(std::string_view line, std::string_view unit) {
  const std::size_t at = line.find(unit);
  if (at == std::string_view::npos || at < 2 || line[at - 1] != ' ') return 0;
  std::size_t begin = at - 1;
  while (begin > 0 && line[begin - 1] >= '0' && line[begin - 1] <= '9') --begin;
  int number = 0;
  std::from_chars(line.data() + begin, line.data() + at - 1, number);
  return number;
}

/// The sum over all constant banks: "368 bytes cmem[0], 8 bytes cmem[2]".
int constant_bytes(std::string_view line) {
  constexpr std::string_view kUnit = "bytes cmem[";
  int sum = 0;
  for (std::size_t at = line.find(kUnit); at != std::string_view::npos; at = line.find(kUnit)) {
    sum += number_before(line, kUnit);
    line.remove_prefix(at + kUnit.size());
  }
  return sum;
}

/// The name in "...: Compiling entry function 'name' for ..." or "...: Function properties for name".
std::string_view name_after(std::string_view line, std::string_view words) {
  const std::size_t at = line.find(words);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + words.size());
  return line.substr(0, std::min(line.find_first_of("' "), line.size()));
}

}  // namespace

std::optional<Resources> read_resources(std::string_view log, std::string_view entry) {
  const std::vector<std::string_view> lines = ptxas_lines(log);
  std::vector<std::string_view> other_entries;
  for (const std::string_view line : lines) {
    const auto name = name_after(line, "Compiling entry function '");
    if (!name.empty() && name != entry) other_entries.push_back(name);
  }

  Resources resources;
  bool has_frame = false;
  bool has_usage = false;
  std::string_view compiling;  // the entry being reported
  std::string_view function;   // the function whose properties follow
  for (const std::string_view line : lines) {
    if (const auto name = name_after(line, "Compiling entry function '"); !name.empty()) {
      compiling = name;
    } else if (const auto of = name_after(line, "Function properties for "); !of.empty()) {
      function = of;
    } else if (line.find("bytes stack frame") != std::string_view::npos) {
      // Anything but an entry is a function the entry may call: its spills cost as much.
      if (std::ranges::find(other_entries, function) != other_entries.end()) continue;
      resources.spill_store_bytes += number_before(line, "bytes spill stores");
      resources.spill_load_bytes += number_before(line, "bytes spill loads");
      if (function != entry) continue;
      has_frame = true;
      resources.stack_bytes = number_before(line, "bytes stack frame");
    } else if (compiling == entry && line.find(": Used ") != std::string_view::npos) {
      resources.registers = number_before(line, "registers");
      resources.barriers = number_before(line, "barriers");
      resources.static_shared_bytes = number_before(line, "bytes smem");
      resources.constant_bytes = constant_bytes(line);
      has_usage = resources.registers > 0;
    }
  }
  if (!has_frame || !has_usage) return std::nullopt;
  return resources;
}

std::optional<std::string> find_broken_promise(std::string_view log) {
  const auto says = [](std::string_view line, std::string_view words) {
    return line.find(words) != std::string_view::npos;
  };
  for (const std::string_view line : ptxas_lines(log)) {
    if ((says(line, "wgmma") && says(line, "serialized")) || (says(line, "setmaxnreg") && says(line, "ignored"))) {
      return std::string(line);
    }
  }
  return std::nullopt;
}

}  // namespace attnjit::jit
