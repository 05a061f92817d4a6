#include "jit/nvrtc_search.h"

#include <link.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "jit/nvrtc_library.h"

namespace attnjit::jit {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLibraryName = "libnvrtc.so";
/// Majors to request from the dynamic loader, which cannot list what it has.
constexpr int kLoaderMajors[] = {13, 12};

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

/// Names of the folder's entries; empty if it cannot be read.
std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    entries.push_back(at->path());
  }
  std::ranges::sort(entries);
  return entries;
}

/// The libnvrtc.so.<major> files of a folder, newest first. Longer names (libnvrtc.so.12.9.86) are what those link to.
std::vector<fs::path> libraries_in(const fs::path& folder) {
  std::vector<fs::path> libraries;
  for (const fs::path& entry : entries_of(folder)) {
    const auto major = nvrtc_major(entry);
    if (major && entry.filename() == std::string(kLibraryName) + "." + std::to_string(*major)) {
      libraries.push_back(entry);
    }
  }
  std::ranges::sort(libraries, std::greater<>(), [](const fs::path& path) { return *nvrtc_major(path); });
  return libraries;
}

/// Appends candidates in order, skipping files already listed.
class Candidates {
 public:
  void add(const fs::path& file, const std::string& how) {
    std::error_code error;
    const fs::path real = fs::canonical(file, error);
    if (!error && !seen_.insert(real).second) return;
    list_.push_back({.path = file.string(), .how = how, .verdict = {}, .version = {}});
  }

  /// Adds the libraries of the first of these folders that has any. If none has, adds one line saying so.
  void add_first_of(const std::vector<fs::path>& folders, const std::string& how) {
    for (const fs::path& folder : folders) {
      const std::vector<fs::path> libraries = libraries_in(folder);
      for (const fs::path& library : libraries) add(library, how);
      if (!libraries.empty()) return;
    }
    list_.push_back(
        {.path = (folders.front() / "libnvrtc.so.*").string(), .how = how, .verdict = "not there", .version = {}});
  }

  void add_name(const std::string& name, const std::string& how) {
    list_.push_back({.path = name, .how = how, .verdict = {}, .version = {}});
  }

  std::vector<NvrtcCandidate> take() { return std::move(list_); }

 private:
  std::vector<NvrtcCandidate> list_;
  std::set<fs::path> seen_;
};

bool names_nvrtc(const fs::path& file) {
  const std::string name = file.filename().string();
  return name == kLibraryName || name.starts_with(std::string(kLibraryName) + ".");
}

void add_toolkit(Candidates& candidates, const fs::path& root, const std::string& how) {
#if defined(__aarch64__)
  const char* const target = "targets/sbsa-linux/lib";
#else
  const char* const target = "targets/x86_64-linux/lib";
#endif
  candidates.add_first_of({root / "lib64", root / "lib", root / target}, how);
}

/// "python3.11" for libpython3.11.so.1.0; empty for other files.
std::string python_of_library(const fs::path& file) {
  const std::string name = file.filename().string();
  const std::size_t so = name.find(".so");
  return name.starts_with("libpython3.") && so != std::string::npos ? name.substr(3, so - 3) : std::string();
}

}  // namespace

std::optional<int> nvrtc_major(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!names_nvrtc(file) || name == kLibraryName) return std::nullopt;
  int major = 0;
  const char* const begin = name.data() + kLibraryName.size() + 1;
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), major);
  if (error != std::errc() || (*end != '\0' && *end != '.')) return std::nullopt;
  return major;
}

std::vector<std::string> loaded_objects() {
  std::vector<std::string> paths;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* list) {
        if (info->dlpi_name != nullptr && *info->dlpi_name != '\0') {
          static_cast<std::vector<std::string>*>(list)->emplace_back(info->dlpi_name);
        }
        return 0;
      },
      &paths);
  return paths;
}

std::vector<fs::path> python_package_roots(std::span<const std::string> objects, const fs::path& executable) {
  std::vector<fs::path> roots;
  const auto add = [&](const fs::path& root) {
    if (is_folder(root) && std::ranges::find(roots, root) == roots.end()) roots.push_back(root);
  };
  const bool is_interpreter = executable.filename().string().starts_with("python");
  bool has_python = is_interpreter;
  for (const fs::path object : objects) {
    for (fs::path folder = object.parent_path(); folder.has_relative_path(); folder = folder.parent_path()) {
      if (folder.filename() == "site-packages" || folder.filename() == "dist-packages") add(folder);
    }
    if (const std::string python = python_of_library(object); !python.empty()) {
      has_python = true;
      add(object.parent_path() / python / "site-packages");
    }
  }
  std::vector<fs::path> prefixes;
  // A virtual environment's executable is a link to the Python it was created from, so only VIRTUAL_ENV tells where the
  // environment is.
  if (const std::string venv = environment("VIRTUAL_ENV"); has_python && !venv.empty()) prefixes.emplace_back(venv);
  if (is_interpreter) prefixes.push_back(executable.parent_path().parent_path());
  for (const fs::path& prefix : prefixes) {
    for (const fs::path& entry : entries_of(prefix / "lib")) {
      if (!entry.filename().string().starts_with("python3")) continue;
      add(entry / "site-packages");
      add(entry / "dist-packages");
    }
  }
  return roots;
}

std::vector<NvrtcCandidate> nvrtc_candidates(const NvrtcSearch& search) {
  Candidates candidates;
  if (!search.explicit_path.empty()) {
    candidates.add_name(search.explicit_path, "explicit path");
    return candidates.take();
  }
  if (const std::string path = environment("ATTNJIT_NVRTC"); !path.empty()) {
    candidates.add_name(path, "ATTNJIT_NVRTC");
    return candidates.take();
  }

  const std::vector<std::string> objects = loaded_objects();
  for (const std::string& object : objects) {
    if (names_nvrtc(object) && !opened_only_here(object)) candidates.add(object, "already loaded");
  }

  std::vector<fs::path> roots = search.wheel_roots;
  std::error_code error;
  std::ranges::copy(python_package_roots(objects, fs::read_symlink("/proc/self/exe", error)),
                    std::back_inserter(roots));
  for (const fs::path& root : roots) {
    candidates.add_first_of({root / "nvidia/cu13/lib"}, "wheel");
    candidates.add_first_of({root / "nvidia/cuda_nvrtc/lib"}, "wheel");
  }

  for (const int major : kLoaderMajors) {
    candidates.add_name(std::string(kLibraryName) + "." + std::to_string(major), "loader search");
  }

  for (const char* const name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const std::string root = environment(name); !root.empty()) add_toolkit(candidates, root, name);
  }
  add_toolkit(candidates, "/usr/local/cuda", "/usr/local/cuda");
  return candidates.take();
}

}  // namespace attnjit::jit
