// Finding and choosing an NVRTC, with libraries that have only a version.
#include "jit/nvrtc_search.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "attnjit/error.hpp"
#include "fixtures.h"

namespace attnjit::jit {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Sets or removes an environment variable until the end of the scope.
class ScopedEnvironment {
 public:
  ScopedEnvironment(const char* name, const char* value) : name_(name) {
    if (const char* const old = getenv(name)) old_ = old;
    set(value);
  }
  ~ScopedEnvironment() { set(old_ ? old_->c_str() : nullptr); }
  ScopedEnvironment(const ScopedEnvironment&) = delete;
  ScopedEnvironment& operator=(const ScopedEnvironment&) = delete;

 private:
  void set(const char* value) { value != nullptr ? setenv(name_, value, 1) : unsetenv(name_); }
  const char* name_;
  std::optional<std::string> old_;
};

class NvrtcSearchTest : public ::testing::Test {
 protected:
  /// Installs a fake at <folder>/<name>, with its builtins beside it.
  fs::path install(const fs::path& fake, const fs::path& folder, const std::string& name,
                   const std::string& builtins) const {
    const fs::path target = folder_.path() / folder;
    fs::create_directories(target);
    fs::copy_file(fake, target / name);
    if (!builtins.empty()) fs::copy_file(fake, target / builtins);
    return target / name;
  }
  fs::path install_12_9(const fs::path& folder) const {
    return install(FAKE_NVRTC_12_9, folder, "libnvrtc.so.12", "libnvrtc-builtins.so.12.9");
  }
  fs::path install_13_1(const fs::path& folder) const {
    return install(FAKE_NVRTC_13_1, folder, "libnvrtc.so.13", "libnvrtc-builtins.so.13.1");
  }

  NvrtcSearch wheels(std::optional<int> driver = std::nullopt) const {
    return {.explicit_path = {}, .wheel_roots = {folder_.path()}, .driver_cuda_major = driver};
  }

  test::TempDir folder_;
  ScopedEnvironment no_explicit_path_{"ATTNJIT_NVRTC", nullptr};
};

std::string error_of(const NvrtcSearch& search) {
  try {
    Nvrtc::open(search);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kNoCompiler);
    return error.what();
  }
  return "(none)";
}

const NvrtcCandidate* find_candidate(const std::vector<NvrtcCandidate>& candidates, const fs::path& path) {
  const auto found = std::ranges::find(candidates, path.string(), &NvrtcCandidate::path);
  return found != candidates.end() ? &*found : nullptr;
}

// ---- an explicit path ------------------------------------------------------------------------------------------

TEST_F(NvrtcSearchTest, ExplicitPathIsUsed) {
  const fs::path file = install_12_9("mine");
  const auto nvrtc = Nvrtc::open({.explicit_path = file.string(), .wheel_roots = {}, .driver_cuda_major = {}});
  EXPECT_EQ(nvrtc->path(), file.string());
  EXPECT_EQ(nvrtc->version(), (CompilerVersion{12, 9}));
  EXPECT_EQ(nvrtc->name(), "NVRTC 12.9 (" + file.string() + ")");
  EXPECT_THAT(nvrtc->supported_archs(), ElementsAre(80, 90, 100));
}

TEST_F(NvrtcSearchTest, ExplicitPathMayBeNewerThanTheDriver) {
  const fs::path file = install_13_1("mine");
  EXPECT_EQ(Nvrtc::open({.explicit_path = file.string(), .wheel_roots = {}, .driver_cuda_major = 12})->path(),
            file.string());
}

TEST_F(NvrtcSearchTest, ExplicitPathThatIsNotThereIsNotReplaced) {
  NvrtcSearch search = wheels();
  install_12_9("nvidia/cuda_nvrtc/lib");
  search.explicit_path = (folder_.path() / "none" / "libnvrtc.so.13").string();
  const std::string message = error_of(search);
  EXPECT_THAT(message, HasSubstr(search.explicit_path + " (explicit path)"));
  EXPECT_THAT(message, HasSubstr("ATTNJIT_NVRTC"));
}

TEST_F(NvrtcSearchTest, ExplicitPathOfAnotherFileIsAnError) {
  const fs::path text = folder_.write("libnvrtc.so.13", "no library");
  EXPECT_THAT(error_of({.explicit_path = text.string(), .wheel_roots = {}, .driver_cuda_major = {}}),
              HasSubstr(text.string()));
  const fs::path incomplete = install(FAKE_NVRTC_INCOMPLETE, "half", "libnvrtc.so.12", "");
  EXPECT_THAT(error_of({.explicit_path = incomplete.string(), .wheel_roots = {}, .driver_cuda_major = {}}),
              HasSubstr("no function nvrtcGetErrorString"));
}

TEST_F(NvrtcSearchTest, TheEnvironmentNamesAPathToo) {
  const fs::path file = install_12_9("mine");
  const ScopedEnvironment named("ATTNJIT_NVRTC", file.c_str());
  EXPECT_EQ(Nvrtc::open({})->path(), file.string());
  const auto candidates = Nvrtc::survey({});
  ASSERT_EQ(candidates.size(), 1u);
  EXPECT_EQ(candidates[0].how, "ATTNJIT_NVRTC");
  EXPECT_EQ(candidates[0].verdict, "chosen");
  EXPECT_EQ(candidates[0].version, (CompilerVersion{12, 9}));
}

TEST_F(NvrtcSearchTest, APathThatCannotBeUsedInTheEnvironmentIsNamed) {
  const ScopedEnvironment named("ATTNJIT_NVRTC", "/nowhere/libnvrtc.so.13");
  EXPECT_THAT(error_of({}), HasSubstr("/nowhere/libnvrtc.so.13 (ATTNJIT_NVRTC)"));
}

// ---- versions --------------------------------------------------------------------------------------------------

TEST_F(NvrtcSearchTest, TooOldIsRefused) {
  const fs::path file = install(FAKE_NVRTC_12_4, "old", "libnvrtc.so.12", "libnvrtc-builtins.so.12.4");
  EXPECT_THAT(error_of({.explicit_path = file.string(), .wheel_roots = {}, .driver_cuda_major = {}}),
              HasSubstr("NVRTC 12.4 is older than 12.8"));
}

TEST_F(NvrtcSearchTest, WhatAKernelNeedsMoreOfIsLookedForFurtherOn) {
  NvrtcSearch search = wheels(12);  // the driver prefers the older one
  search.oldest = {13, 0};
  search.explicit_path = install_12_9("nvidia/cuda_nvrtc/lib").string();
  EXPECT_THAT(error_of(search), AllOf(HasSubstr("NVRTC 12.9 is older than 13.0"), HasSubstr("version 13.0 or newer")));
  search.explicit_path.clear();
  const fs::path newer = install_13_1("nvidia/cu13/lib");
  EXPECT_EQ(Nvrtc::open(search)->path(), newer.string());
  search.oldest = {12, 9};
  EXPECT_EQ(Nvrtc::open(search)->version(), (CompilerVersion{12, 9}));
}

TEST_F(NvrtcSearchTest, WithoutItsBuiltinsItIsRefused) {
  const fs::path file = install(FAKE_NVRTC_13_1, "bare", "libnvrtc.so.13", "libnvrtc-builtins.so.13.9");
  EXPECT_THAT(error_of({.explicit_path = file.string(), .wheel_roots = {}, .driver_cuda_major = {}}),
              HasSubstr("libnvrtc-builtins.so.13.1"));
}

TEST_F(NvrtcSearchTest, OneThatCouldNotBeUsedIsTriedAgain) {
  const fs::path file = install(FAKE_NVRTC_13_1, "late", "libnvrtc.so.13", "libnvrtc-builtins.so.13.9");
  const NvrtcSearch search{.explicit_path = file.string(), .wheel_roots = {}, .driver_cuda_major = {}};
  EXPECT_THAT(error_of(search), HasSubstr("libnvrtc-builtins.so.13.1"));
  fs::copy_file(FAKE_NVRTC_13_1, folder_.path() / "late" / "libnvrtc-builtins.so.13.1");
  EXPECT_EQ(Nvrtc::open(search)->path(), file);
}

TEST_F(NvrtcSearchTest, WithoutADescriptorLeftNobodyIsToldToInstallCuda) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan opens a pipe to look at an object, and takes one that it cannot look at for a wrong one";
#endif
  const fs::path file = install(FAKE_NVRTC_13_1, "crowded", "libnvrtc.so.13", "libnvrtc-builtins.so.13.1");
  const NvrtcSearch search{.explicit_path = file.string(), .wheel_roots = {}, .driver_cuda_major = {}};
  struct rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int next = dup(0);
  ASSERT_GE(next, 0);
  close(next);
  struct rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string error = error_of(search);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(error, HasSubstr("has come to a limit (Too many open files)"));
  EXPECT_THAT(error, testing::Not(HasSubstr("Install the CUDA toolkit")));
  EXPECT_EQ(Nvrtc::open(search)->path(), file) << "it is given up although there are descriptors again";
}

TEST_F(NvrtcSearchTest, BuiltinsBesideTheRealFileOfALinkWillDo) {
  const fs::path real = install_13_1("real");
  fs::create_directories(folder_.path() / "links");
  const fs::path link = folder_.path() / "links" / "libnvrtc.so.13";
  fs::create_symlink(real, link);
  EXPECT_EQ(Nvrtc::open({.explicit_path = link.string(), .wheel_roots = {}, .driver_cuda_major = {}})->version(),
            (CompilerVersion{13, 1}));
}

TEST_F(NvrtcSearchTest, TargetsFollowVersionAndArchitectures) {
  const fs::path file = install_12_9("mine");
  const auto nvrtc = Nvrtc::open({.explicit_path = file.string(), .wheel_roots = {}, .driver_cuda_major = {}});
  std::vector<std::string> names;
  for (const Target& target : nvrtc->supported_targets()) names.push_back(target.name());
  EXPECT_THAT(names, ElementsAre("sm_80", "sm_90", "sm_90a", "sm_100", "sm_100a", "sm_100f"));
  EXPECT_FALSE(nvrtc->supports({8, 6, 0}));
  EXPECT_FALSE(nvrtc->supports({8, 0, 'a'}));
  EXPECT_FALSE(nvrtc->supports({9, 0, 'f'}));
}

// ---- order -----------------------------------------------------------------------------------------------------

TEST_F(NvrtcSearchTest, WheelsOfBothLayoutsAreFound) {
  const fs::path cu12 = install_12_9("nvidia/cuda_nvrtc/lib");
  EXPECT_EQ(Nvrtc::open(wheels())->path(), cu12.string());
  const fs::path cu13 = install_13_1("nvidia/cu13/lib");
  EXPECT_EQ(Nvrtc::open(wheels())->path(), cu13.string());
}

TEST_F(NvrtcSearchTest, OneNotNewerThanTheDriverIsPreferred) {
  const fs::path cu12 = install_12_9("nvidia/cuda_nvrtc/lib");
  const fs::path cu13 = install_13_1("nvidia/cu13/lib");
  EXPECT_EQ(Nvrtc::open(wheels(12))->path(), cu12.string());
  EXPECT_EQ(dlopen(cu13.c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr) << "opened without need, which costs 0.1 s";
  EXPECT_EQ(Nvrtc::open(wheels(13))->path(), cu13.string());
  EXPECT_EQ(Nvrtc::open(wheels(14))->path(), cu13.string());
}

TEST_F(NvrtcSearchTest, AnUnusableOneIsPassedOver) {
  const fs::path old = install(FAKE_NVRTC_12_4, "nvidia/cuda_nvrtc/lib", "libnvrtc.so.12", "");
  const fs::path cu13 = install_13_1("nvidia/cu13/lib");
  const auto candidates = Nvrtc::survey(wheels(13));
  ASSERT_NE(find_candidate(candidates, old), nullptr);
  EXPECT_THAT(find_candidate(candidates, old)->verdict, HasSubstr("12.4 is older"));
  ASSERT_NE(find_candidate(candidates, cu13), nullptr);
  EXPECT_EQ(find_candidate(candidates, cu13)->verdict, "chosen");
}

TEST_F(NvrtcSearchTest, SurveyJudgesEveryPlaceAndChoosesOne) {
  const fs::path cu12 = install_12_9("nvidia/cuda_nvrtc/lib");
  const fs::path cu13 = install_13_1("nvidia/cu13/lib");
  const auto candidates = Nvrtc::survey(wheels(12));
  int chosen = 0;
  for (const NvrtcCandidate& candidate : candidates) {
    EXPECT_NE(candidate.verdict, "") << candidate.path;
    EXPECT_NE(candidate.how, "") << candidate.path;
    chosen += candidate.verdict == "chosen" ? 1 : 0;
  }
  EXPECT_EQ(chosen, 1);
  EXPECT_EQ(find_candidate(candidates, cu12)->verdict, "chosen");
  EXPECT_THAT(find_candidate(candidates, cu13)->verdict, HasSubstr("newer than the driver's CUDA 12"));
  EXPECT_EQ(find_candidate(candidates, cu13)->how, "wheel");
}

TEST_F(NvrtcSearchTest, ToolkitOfTheEnvironmentComesAfterTheLoader) {
  const fs::path file = install_12_9("toolkit/lib64");
  const ScopedEnvironment home("CUDA_HOME", (folder_.path() / "toolkit").c_str());
  const ScopedEnvironment path("CUDA_PATH", (folder_.path() / "no-toolkit").c_str());
  std::vector<std::string> hows;
  for (const NvrtcCandidate& candidate : nvrtc_candidates({})) {
    if (hows.empty() || hows.back() != candidate.how) hows.push_back(candidate.how);
    if (candidate.how == "CUDA_HOME") {
      EXPECT_EQ(candidate.path, file.string());
    }
    if (candidate.how == "CUDA_PATH") {
      EXPECT_EQ(candidate.verdict, "not there");
    }
  }
  // Earlier tests of this program may or may not have put "wheel" places in front.
  std::erase(hows, "wheel");
  std::erase(hows, "already loaded");
  EXPECT_THAT(hows, ElementsAre("loader search", "CUDA_HOME", "CUDA_PATH", "/usr/local/cuda"));
}

// In a separate process, because a loaded library stays loaded.
TEST_F(NvrtcSearchTest, OneThatTheProcessHasLoadedComesFirst) {
  const fs::path loaded = install_12_9("host");
  install_13_1("nvidia/cu13/lib");
  const NvrtcSearch search = wheels(13);
  EXPECT_EXIT(
      {
        if (dlopen(loaded.c_str(), RTLD_NOW) == nullptr) _exit(2);
        // The second search must not mistake the library opened by the first one for the host's.
        const bool first = Nvrtc::open(search)->path() == loaded;
        const bool second = Nvrtc::open(search)->path() == loaded;
        const auto candidates = Nvrtc::survey(search);
        const NvrtcCandidate* const candidate = find_candidate(candidates, loaded);
        const bool told = candidate != nullptr && candidate->how == "already loaded";
        _exit(first && second && told ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(NvrtcSearchTest, AVersionThatTheNameHidesCounts) {
  const fs::path loaded = install(FAKE_NVRTC_13_1, "host", "libnvrtc.so", "libnvrtc-builtins.so.13.1");
  const fs::path cu12 = install_12_9("nvidia/cuda_nvrtc/lib");
  EXPECT_EXIT(
      {
        if (dlopen(loaded.c_str(), RTLD_NOW) == nullptr) _exit(2);
        const bool older = Nvrtc::open(wheels(12))->path() == cu12;
        const bool newer = Nvrtc::open(wheels(13))->path() == loaded;
        _exit(older && newer ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(NvrtcSearchTest, WhatASearchOpenedDoesNotChangeTheNextOne) {
  install_12_9("nvidia/cuda_nvrtc/lib");
  const fs::path cu13 = install_13_1("nvidia/cu13/lib");
  Nvrtc::survey(wheels(12));  // opens both, 12.9 first
  EXPECT_EQ(Nvrtc::open(wheels(13))->path(), cu13.string());
  for (const NvrtcCandidate& candidate : nvrtc_candidates(wheels())) EXPECT_NE(candidate.path, "");
}

// ---- small parts -----------------------------------------------------------------------------------------------

TEST(NvrtcMajor, IsReadFromTheName) {
  EXPECT_EQ(nvrtc_major("/usr/lib/libnvrtc.so.13"), 13);
  EXPECT_EQ(nvrtc_major("libnvrtc.so.12.9.86"), 12);
  EXPECT_EQ(nvrtc_major("libnvrtc.so"), std::nullopt);
  EXPECT_EQ(nvrtc_major("libnvrtc.so.x"), std::nullopt);
  EXPECT_EQ(nvrtc_major("libnvrtc.so.12x"), std::nullopt);
  EXPECT_EQ(nvrtc_major("libnvrtc-builtins.so.13.0"), std::nullopt);
  EXPECT_EQ(nvrtc_major("libnvrtc.alt.so.13"), std::nullopt);
}

TEST(PythonPackageRoots, AreToldByWhatIsLoaded) {
  const test::TempDir folder;
  const fs::path site = folder.path() / "venv/lib/python3.11/site-packages";
  const fs::path base_site = folder.path() / "base/lib/python3.12/site-packages";
  const fs::path venv_site = folder.path() / "other/lib/python3.12/site-packages";
  for (const fs::path& root : {site, base_site, venv_site}) fs::create_directories(root);
  const ScopedEnvironment no_venv("VIRTUAL_ENV", nullptr);

  const std::vector<std::string> torch = {(site / "torch/lib/libtorch.so").string(), "/lib/libc.so.6", "relative.so"};
  EXPECT_THAT(python_package_roots(torch, "/usr/bin/server"), ElementsAre(site));
  const std::vector<std::string> embedded = {(folder.path() / "base/lib/libpython3.12.so.1.0").string()};
  EXPECT_THAT(python_package_roots(embedded, "/usr/bin/server"), ElementsAre(base_site));
  EXPECT_THAT(python_package_roots({}, folder.path() / "base/bin/python3.12"), ElementsAre(base_site));
  EXPECT_THAT(python_package_roots({}, folder.path() / "base/bin/server"), ElementsAre());

  // A virtual environment counts only for a Python executable.
  const ScopedEnvironment venv("VIRTUAL_ENV", (folder.path() / "other").c_str());
  EXPECT_THAT(python_package_roots({}, folder.path() / "base/bin/python3"), ElementsAre(venv_site, base_site));
  EXPECT_THAT(python_package_roots({}, folder.path() / "base/bin/server"), ElementsAre());
}

}  // namespace
}  // namespace attnjit::jit
