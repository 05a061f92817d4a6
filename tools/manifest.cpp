#include "tools/manifest.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "attnjit/error.hpp"

namespace attnjit::tools {
namespace {

using Json = nlohmann::ordered_json;

/// Far deeper than anything allowed here. Operators are serialized again for parsing, with a stack frame per level.
constexpr int kDeepest = 64;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw Error(Status::kInvalidArgument, fmt::format("manifest {}: {}", path.string(), what));
}

Json parse(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) refuse(path, "cannot be read");
  try {
    return Json::parse(file, [&](int depth, Json::parse_event_t, const Json&) {
      if (depth > kDeepest) refuse(path, fmt::format("it is nested deeper than {} levels", kDeepest));
      return true;
    });
  } catch (const Json::exception& error) {  // not only parse_error: 1e999 is out_of_range
    refuse(path, error.what());
  }
}

}  // namespace

std::vector<runtime::OperatorConfig> read_manifest(const std::filesystem::path& path) {
  const Json manifest = parse(path);
  if (!manifest.is_object() || !manifest.contains("operators") || !manifest["operators"].is_array()) {
    refuse(path, "it must be an object with a list \"operators\"");
  }
  for (const auto& [key, value] : manifest.items()) {
    if (key != "operators") refuse(path, fmt::format("unknown key \"{}\": allowed is operators", key));
  }
  std::vector<runtime::OperatorConfig> operators;
  for (const Json& element : manifest["operators"]) {
    try {
      operators.push_back(runtime::operator_config_from_json(element.dump()));
    } catch (const Error& error) {
      refuse(path, fmt::format("operators[{}]: {}", operators.size(), error.what()));
    }
  }
  return operators;
}

}  // namespace attnjit::tools
