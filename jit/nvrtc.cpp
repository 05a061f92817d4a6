#include "jit/nvrtc.h"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "attnjit/error.hpp"
#include "jit/memory_limit.h"
#include "jit/nvrtc_library.h"
#include "jit/nvrtc_search.h"

namespace attnjit::jit {
namespace {

/// The first version with family-specific targets (sm_100f).
constexpr CompilerVersion kFirstWithFamilies{12, 9};
/// Address space of NVRTC and its builtins, before the first compile.
constexpr std::size_t kBytesOfNvrtc = std::size_t{192} << 20;

/// The search's places, as far as they had to be examined, and the chosen library, if any.
struct Examined {
  std::vector<NvrtcCandidate> candidates;
  std::shared_ptr<const NvrtcLibrary> chosen;
};

/// Opens the candidate's library and records the findings in the candidate.
std::shared_ptr<const NvrtcLibrary> try_open(NvrtcCandidate& candidate) {
  auto library = open_nvrtc_library(candidate.path);
  candidate.path = library->path;
  candidate.verdict = library->problem;
  if (library->version.major != 0) candidate.version = library->version;
  return library;
}

bool too_old(NvrtcCandidate& candidate, const NvrtcSearch& search) {
  if (!candidate.version || *candidate.version >= search.oldest) return false;
  candidate.verdict = fmt::format("NVRTC {} is older than {}", candidate.version->name(), search.oldest.name());
  return true;
}

bool newer_than_driver(std::optional<int> major, const NvrtcSearch& search) {
  return major && search.driver_cuda_major && *major > *search.driver_cuda_major;
}

/// Opening a libnvrtc costs 0.1 s, so the search stops at the first usable one. Those with a newer major version than
/// the driver's are tried only if nothing else is usable.
Examined examine(const NvrtcSearch& search) {
  Examined result{.candidates = nvrtc_candidates(search), .chosen = nullptr};
  std::vector<NvrtcCandidate*> too_new;
  for (NvrtcCandidate& candidate : result.candidates) {
    if (!candidate.verdict.empty()) continue;
    if (newer_than_driver(nvrtc_major(candidate.path), search)) {
      too_new.push_back(&candidate);
      continue;
    }
    const auto library = try_open(candidate);
    if (!library->problem.empty() || too_old(candidate, search)) continue;
    if (newer_than_driver(library->version.major, search)) {
      too_new.push_back(&candidate);
      continue;
    }
    candidate.verdict = "chosen";
    result.chosen = library;
    return result;
  }
  for (NvrtcCandidate* const candidate : too_new) {
    const auto library = try_open(*candidate);
    if (!library->problem.empty() || too_old(*candidate, search)) continue;
    candidate->verdict = fmt::format("chosen, although newer than the driver's CUDA {}", *search.driver_cuda_major);
    result.chosen = library;
    return result;
  }
  return result;
}

/// The loader opens several files, and one it has no descriptor for looks like one that does not exist.
bool few_descriptors_are_left() {
  constexpr int kOfALoader = 8;
  int opened[kOfALoader], count = 0;
  while (count < kOfALoader && (opened[count] = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) ++count;
  const int why = errno;
  for (int i = 0; i < count; ++i) ::close(opened[i]);
  return count < kOfALoader && (why == EMFILE || why == ENFILE);
}

std::string nothing_found_message(const std::vector<NvrtcCandidate>& candidates, CompilerVersion oldest) {
  std::string places, limited;
  for (const NvrtcCandidate& candidate : candidates) {
    places += fmt::format("\n  {} ({}): {}", candidate.path, candidate.how, candidate.verdict);
    for (const int limit : {EMFILE, ENFILE, ENOMEM}) {
      const std::string reason = std::strerror(limit);
      if (candidate.verdict.find(reason) != std::string::npos) limited = reason;
    }
  }
  if (limited.empty() && few_descriptors_are_left()) limited = std::strerror(EMFILE);
  if (!limited.empty()) {
    return fmt::format(
        "no usable libnvrtc, which is needed to compile a kernel. Looked at:{}\nThis process has come to a limit ({}): "
        "raise it (ulimit -a shows them), or close what is not needed; it is tried again some seconds from now",
        places, limited);
  }
  return fmt::format(
      "no usable libnvrtc, which is needed to compile a kernel. Looked at:{}\nInstall the CUDA toolkit or the "
      "package nvidia-cuda-nvrtc, version {} or newer, or set ATTNJIT_NVRTC to the full path of a libnvrtc.so.*",
      places, oldest.name());
}

}  // namespace

std::string CompilerVersion::name() const { return fmt::format("{}.{}", major, minor); }

std::shared_ptr<const Nvrtc> Nvrtc::open(const NvrtcSearch& search) {
  // Checked first: the loader reports a lack of memory in many ways, some look like a missing library, and some end the
  // process.
  if (!fits_under_memory_limit(kBytesOfNvrtc)) {
    throw Error(Status::kNoCompiler,
                fmt::format("libnvrtc takes some {} MiB of address space: {} leaves less; raise it",
                            kBytesOfNvrtc >> 20, memory_limit()));
  }
  const Examined examined = examine(search);
  if (examined.chosen == nullptr)
    throw Error(Status::kNoCompiler, nothing_found_message(examined.candidates, search.oldest));
  const std::shared_ptr<Nvrtc> nvrtc(new Nvrtc);
  nvrtc->functions_ = examined.chosen->functions;
  nvrtc->version_ = examined.chosen->version;
  nvrtc->path_ = examined.chosen->path;
  nvrtc->archs_ = examined.chosen->archs;
  return nvrtc;
}

std::vector<NvrtcCandidate> Nvrtc::survey(const NvrtcSearch& search) {
  Examined examined = examine(search);
  for (NvrtcCandidate& candidate : examined.candidates) {
    // A candidate that was opened and found too new has a version but no verdict yet.
    if (!candidate.verdict.empty() || !try_open(candidate)->problem.empty()) continue;
    if (examined.chosen != nullptr && candidate.path == examined.chosen->path) {
      candidate.verdict = "the same file as the chosen one";
    } else if (newer_than_driver(candidate.version->major, search)) {
      candidate.verdict = fmt::format("usable, but newer than the driver's CUDA {}", *search.driver_cuda_major);
    } else {
      candidate.verdict = "usable; an earlier one was preferred";
    }
  }
  return examined.candidates;
}

bool Nvrtc::supports(const Target& target) const {
  if (std::ranges::find(archs_, target.number()) == archs_.end()) return false;
  switch (target.suffix) {
    case 0: return true;
    case 'a': return target.major >= 9;
    case 'f': return target.major >= 10 && version_ >= kFirstWithFamilies;
    default: return false;
  }
}

std::vector<Target> Nvrtc::supported_targets() const {
  std::vector<Target> targets;
  for (const int arch : archs_) {
    for (const char suffix : {'\0', 'a', 'f'}) {
      const Target target{arch / 10, arch % 10, suffix};
      if (supports(target)) targets.push_back(target);
    }
  }
  return targets;
}

std::string Nvrtc::error_text(int result) const {
  const char* const text = functions_->get_error_string(static_cast<nvrtcResult>(result));
  return text != nullptr ? text : fmt::format("nvrtcResult {}", result);
}

std::string Nvrtc::name() const { return fmt::format("NVRTC {} ({})", version_.name(), path_); }

}  // namespace attnjit::jit
