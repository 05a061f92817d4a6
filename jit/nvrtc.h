// Finds, opens and wraps libnvrtc. Opened only when something has to be compiled; never closed.
#pragma once

#include <compare>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "jit/target.h"

namespace attnjit::jit {

struct CompilerVersion {
  int major = 0;
  int minor = 0;
  auto operator<=>(const CompilerVersion&) const = default;
  std::string name() const;  // "13.0"
};

/// The oldest NVRTC supported.
inline constexpr CompilerVersion kOldestNvrtc{12, 8};

/// There is an NVRTC, but none new enough for a particular kernel.
class CompilerTooOld : public Error {
 public:
  explicit CompilerTooOld(const std::string& message) : Error(Status::kNoCompiler, message) {}
};

/// How to look for libnvrtc. Order: `explicit_path` (or, if empty, the environment's ATTNJIT_NVRTC), one already loaded
/// in the process, the wheels' layout (nvidia/cu13/lib, nvidia/cuda_nvrtc/lib) in `wheel_roots` or next to a Python of
/// this process, the dynamic loader's own search (.so.13, .so.12), CUDA_HOME / CUDA_PATH / /usr/local/cuda. If there is
/// an explicit path, no other place is searched: an unusable one is an error.
struct NvrtcSearch {
  std::string explicit_path;
  /// Folders that may contain the wheels' nvidia folder: a site-packages or a pip --target folder.
  std::vector<std::filesystem::path> wheel_roots;
  /// The CUDA major version the driver supports; NVRTCs that are not newer are preferred. Unset without a driver.
  std::optional<int> driver_cuda_major;
  /// Older ones are skipped.
  CompilerVersion oldest = kOldestNvrtc;
};

/// One place that was searched, for `attnjit doctor` and for the error if none is usable.
struct NvrtcCandidate {
  std::string path;
  std::string how;      // "explicit path", "ATTNJIT_NVRTC", "already loaded", "wheel", "loader search", "CUDA_HOME"
  std::string verdict;  // "chosen", "not there", "NVRTC 12.4 is older than 12.8", ...
  std::optional<CompilerVersion> version;
};

/// An opened NVRTC. Thread-safe; threads compile in parallel.
class Nvrtc {
 public:
  /// Opens the first usable candidate, trying those with a newer major version than the driver's last. Throws
  /// attnjit::Error(kNoCompiler) that lists every place and what is wrong with it.
  static std::shared_ptr<const Nvrtc> open(const NvrtcSearch& search);
  /// What open() would examine, with verdicts. Keeps nothing but the libraries it had to load to find out.
  static std::vector<NvrtcCandidate> survey(const NvrtcSearch& search);

  CompilerVersion version() const { return version_; }
  const std::string& path() const { return path_; }
  /// Plain numbers as returned by nvrtcGetSupportedArchs (75, 80, ..., 121).
  const std::vector<int>& supported_archs() const { return archs_; }
  /// Whether this NVRTC can make cubins for the target; _f targets exist from 12.9 on.
  bool supports(const Target& target) const;
  std::vector<Target> supported_targets() const;
  std::string error_text(int result) const;  // of an nvrtcResult, even one it has no text for
  std::string name() const;                  // "NVRTC 13.0 (/usr/local/cuda/lib64/libnvrtc.so.13)"

  struct Functions;  // the C entry points; see nvrtc_library.h
  const Functions& functions() const { return *functions_; }

 private:
  Nvrtc() = default;

  std::shared_ptr<const Functions> functions_;
  CompilerVersion version_;
  std::string path_;
  std::vector<int> archs_;
};

}  // namespace attnjit::jit
