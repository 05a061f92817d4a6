// Shared by the cache tests: a temporary folder, sample entries, and forked processes.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cache/entry.h"

namespace attnjit::cache {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    // In memory if possible: on a disk each put waits 2 to 20 ms for syncs, and these tests are not about disks.
    std::filesystem::path base = std::filesystem::temp_directory_path();
    if (!std::getenv("TMPDIR") && ::access("/dev/shm", W_OK | X_OK) == 0) base = "/dev/shm";
    std::string pattern = base / "attnjit-cache-test-XXXXXX";
    if (!::mkdtemp(pattern.data())) throw std::system_error(errno, std::generic_category(), pattern);
    path_ = std::filesystem::canonical(pattern);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::set<std::string> names_in(const std::filesystem::path& directory) {
  std::set<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(directory)) names.insert(file.path().filename());
  return names;
}

/// The flags (F_GETFD) of every descriptor that this process has open on the file.
inline std::vector<int> descriptor_flags(const std::filesystem::path& file) {
  std::vector<int> flags;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the iterator's own descriptor
    if (std::filesystem::read_symlink(entry.path(), gone) != file) continue;
    flags.push_back(::fcntl(std::stoi(entry.path().filename()), F_GETFD));
  }
  return flags;
}

inline const CompilerId kOldCompiler{"nvrtc", 12, 9};
inline const CompilerId kNewCompiler{"nvrtc", 13, 0};

inline KeyFields sample_fields(int number = 0) {
  return {.family = "sm80_mha_varlen",
          .config = "{\"block_m\":128,\"number\":" + std::to_string(number) + "}",
          .target = "sm_90a",
          .options = "-std=c++20 --no-cache",
          .source_digest = std::string(64, 'd'),
          .schema = 1};
}

inline Entry sample_entry(int number = 0, const CompilerId& compiler = kNewCompiler, std::size_t bytes = 3000) {
  Entry entry;
  entry.fields = sample_fields(number);
  entry.compiler = compiler;
  entry.entry_point = "attnjit_kernel";
  entry.image.resize(bytes);
  std::minstd_rand random(static_cast<unsigned>(1000 * compiler.major + compiler.minor + 100'000 * number + 1));
  for (unsigned char& byte : entry.image) byte = static_cast<unsigned char>(random() >> 8);
  entry.resources = {{"registers", 168}, {"spill_bytes", 0}, {"shared_bytes", 98304}};
  entry.log = "ptxas info    : Used 168 registers\n";
  entry.compile_seconds = 0.375;
  entry.created_unix = 1'700'000'000 + number;
  return entry;
}

inline void expect_same(const Entry& got, const Entry& wanted) {
  EXPECT_EQ(got.fields, wanted.fields);
  EXPECT_EQ(got.compiler, wanted.compiler);
  EXPECT_EQ(got.entry_point, wanted.entry_point);
  EXPECT_EQ(got.image, wanted.image);
  EXPECT_EQ(got.resources, wanted.resources);
  EXPECT_EQ(got.log, wanted.log);
  EXPECT_EQ(got.compile_seconds, wanted.compile_seconds);
  EXPECT_EQ(got.created_unix, wanted.created_unix);
  EXPECT_EQ(got.local, wanted.local);
}

/// Runs `body` in a forked process, which ends with _exit(result), so that no test and no destructor of the parent runs
/// there. An exception gives 99; SIGALRM kills a process that hangs after `seconds`.
inline pid_t start_child(const std::function<int()>& body, unsigned seconds = 30) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::alarm(seconds);
  int result = 99;
  try {
    result = body();
  } catch (const std::exception& error) {
    ::dprintf(2, "in a forked process: %s\n", error.what());
  }
  ::_exit(result);
}

/// The exit status, or 1000 + the signal that ended the process.
inline int wait_for(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return -1;
  return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

inline int run_child(const std::function<int()>& body, unsigned seconds = 30) {
  return wait_for(start_child(body, seconds));
}

/// A pipe with which processes tell each other to go on.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  void give(int times = 1) {
    const std::string bytes(static_cast<std::size_t>(times), 'x');
    if (::write(ends_[1], bytes.data(), bytes.size()) != times) std::abort();
  }
  void take() {
    char byte;
    if (::read(ends_[0], &byte, 1) != 1) std::abort();
  }
  int reading_end() const { return ends_[0]; }
  int giving_end() const { return ends_[1]; }

 private:
  int ends_[2];
};

}  // namespace attnjit::cache
