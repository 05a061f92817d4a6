#include "tools/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "cache/folder_trust.h"
#include "cache/location.h"
#include "cache/store.h"
#include "jit/nvrtc.h"
#include "jit/templates.h"
#include "operators/mha_varlen/kernels.h"
#include "operators/registry.h"
#include "runtime/driver.h"
#include "tools/devices.h"
#include "tools/gpu_report.h"

namespace attnjit::tools {
namespace {

/// Null if the text is empty.
Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json find_driver() {
  Json json = {{"name", nullptr}, {"cuda_version", nullptr}, {"error", nullptr}, {"devices", Json::array()}};
  try {
    const runtime::Driver& driver = runtime::Driver::get();
    json["name"] = driver.version_name();
    json["cuda_version"] = driver.version();
    for (const Device& device : find_devices()) {
      json["devices"].push_back({{"ordinal", device.ordinal},
                                 {"name", device.name},
                                 {"compute_capability", device.compute_capability},
                                 {"sms", device.sms},
                                 {"target", text_or_null(device.target)},
                                 {"problem", text_or_null(device.problem)}});
    }
  } catch (const Error& error) {
    json["error"] = error.what();
  }
  return json;
}

/// Kernel families that the selected NVRTC cannot build, and which NVRTC then builds them, if any.
Json other_compilers(const jit::Nvrtc& used, jit::NvrtcSearch search) {
  Json families = Json::array();
  for (const runtime::MhaVarlenFamily& family : runtime::mha_varlen_families()) {
    if (family.oldest_compiler <= used.version()) continue;
    Json row = {{"family", family.kernels.front()}, {"needs", family.oldest_compiler.name()}, {"name", nullptr}};
    search.oldest = family.oldest_compiler;
    try {
      row["name"] = jit::Nvrtc::open(search)->name();
    } catch (const Error&) {
      // The candidates already say why.
    }
    families.push_back(std::move(row));
  }
  return families;
}

/// The same search a Context makes, so the result is what compiles.
Json find_nvrtc(const Json& driver) {
  jit::NvrtcSearch search;
  if (!driver["devices"].empty()) search.driver_cuda_major = driver["cuda_version"].get<int>() / 1000;
  Json json = {{"name", nullptr},
               {"error", nullptr},
               {"targets", Json::array()},
               {"others", Json::array()},
               {"candidates", Json::array()}};
  for (const jit::NvrtcCandidate& candidate : jit::Nvrtc::survey(search)) {
    json["candidates"].push_back({{"path", candidate.path},
                                  {"how", candidate.how},
                                  {"verdict", candidate.verdict},
                                  {"version", candidate.version ? Json(candidate.version->name()) : Json(nullptr)}});
  }
  try {
    const auto nvrtc = jit::Nvrtc::open(search);
    json["name"] = nvrtc->name();
    constexpr int kOldestServedMajor = 8;
    for (const jit::Target& target : nvrtc->supported_targets()) {
      if (target.major >= kOldestServedMajor) json["targets"].push_back(target.name());
    }
    json["others"] = other_compilers(*nvrtc, search);
  } catch (const Error& error) {
    json["error"] = error.what();
  }
  return json;
}

Json find_cache() {
  const cache::Location location = cache::choose_location("");
  Json json = {{"directory", location.directory ? Json(location.directory->string()) : Json(nullptr)},
               {"reason", location.reason},
               {"rejected", location.rejected},
               {"exists", false},
               {"entries", 0},
               {"file_bytes", 0},
               {"faults", Json::array()},
               {"remarks", Json::array()},
               {"error", nullptr}};
  if (location.directory) json["remarks"] = cache::remarks_on_parents(*location.directory);
  if (!location.directory || !std::filesystem::exists(*location.directory / cache::Store::file_name())) return json;
  json["exists"] = true;
  std::vector<std::string> repairs;
  try {
    cache::Store store(*location.directory, [&](const std::string& repair) { repairs.push_back(repair); });
    json["faults"] = store.verify();
    for (const std::string& object : store.foreign_objects()) {
      json["remarks"].push_back("the file holds a " + object + ", which is not the library's and is never run");
    }
    const cache::StoreStat stat = store.stat();
    json["entries"] = stat.entries;
    json["file_bytes"] = stat.file_bytes;
  } catch (const cache::StoreError& error) {
    json["error"] = error.what();
  }
  for (const std::string& repair : repairs) json["faults"].push_back(repair);
  return json;
}

Json find_templates() {
  const char* const directory = std::getenv("ATTNJIT_TEMPLATE_DIR");
  try {
    const bool overridden = directory != nullptr && *directory != '\0';
    const jit::Templates templates =
        overridden ? jit::Templates::from_directory(directory) : jit::Templates::embedded();
    return {{"source", templates.origin()},
            {"overridden", templates.overridden()},
            {"files", templates.files().size()},
            {"error", nullptr}};
  } catch (const Error& error) {
    return {{"source", directory}, {"overridden", true}, {"files", 0}, {"error", error.what()}};
  }
}

/// A family missing from the report has not been run.
Json find_kernels() {
  const Json report = Json::parse(kGpuReport);
  Json kernels = Json::array();
  for (const std::string& family : runtime::kernel_families()) {
    Json row = {{"family", family}, {"status", "not run"}};
    if (report.contains("families") && report["families"].contains(family)) {
      row.update(report["families"][family]);
      for (const char* where : {"device", "driver", "nvrtc"}) {
        if (row["status"] == "run" && report.contains(where)) row[where] = report[where];
      }
    }
    kernels.push_back(std::move(row));
  }
  return kernels;
}

}  // namespace

Json find_out() {
  Json driver = find_driver();
  Json nvrtc = find_nvrtc(driver);
  return {{"version", version()},  {"driver", std::move(driver)},   {"nvrtc", std::move(nvrtc)},
          {"cache", find_cache()}, {"templates", find_templates()}, {"kernels", find_kernels()}};
}

}  // namespace attnjit::tools
