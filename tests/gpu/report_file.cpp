#include "tests/gpu/report_file.h"

#include <fmt/format.h>

#include <fstream>
#include <stdexcept>

namespace attnjit::gpu_tests {
namespace {

/// The entries of a list, one per line.
std::string lines(const Json& entries) {
  if (entries.empty()) return "[]";
  std::string text = "[\n";
  for (std::size_t i = 0; i < entries.size(); ++i) {
    text += fmt::format("    {}{}\n", entries[i].dump(), i + 1 < entries.size() ? "," : "");
  }
  return text + "  ]";
}

/// Anything else, indented for its place in the file.
std::string nested(const Json& value) {
  std::string text = value.dump(2);
  for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) {
    text.insert(at + 1, "  ");
  }
  return text;
}

}  // namespace

std::string format_report(const Json& report) {
  std::string text = "{\n";
  std::size_t written = 0;
  for (const auto& [key, value] : report.items()) {
    text += fmt::format("  {}: {}{}\n", Json(key).dump(), value.is_array() ? lines(value) : nested(value),
                        ++written < report.size() ? "," : "");
  }
  return text + "}\n";
}

void write_report(const std::string& path, const Json& report) {
  std::ofstream file(path);
  file << format_report(report);
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

Json read_report(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  try {
    return Json::parse(file);
  } catch (const Json::exception& error) {
    throw std::runtime_error(fmt::format("{} is no JSON: {}", path, error.what()));
  }
}

}  // namespace attnjit::gpu_tests
