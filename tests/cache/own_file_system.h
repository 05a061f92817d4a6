// A file system that only one process and its children see.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>

#include "tests/cache/cache_trouble.h"

namespace attnjit::cache {

inline constexpr int kNotPossible = 77;  // a child's status: this machine does not allow what the test needs
inline constexpr char kNoMount[] = "a mount namespace is not allowed here (needs CAP_SYS_ADMIN or user namespaces)";

inline bool become_root_of_a_namespace() {
  const uid_t user = ::getuid();
  const gid_t group = ::getgid();
  if (user == 0) return ::unshare(CLONE_NEWNS) == 0;
  if (::unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
  const auto write_line = [](const char* path, const std::string& line) {
    FILE* file = std::fopen(path, "we");
    if (!file) return false;
    const bool written = std::fputs(line.c_str(), file) >= 0;
    return std::fclose(file) == 0 && written;
  };
  const std::string to_itself = " 1\n";
  return write_line("/proc/self/setgroups", "deny") &&
         write_line("/proc/self/uid_map", std::to_string(user) + " " + std::to_string(user) + to_itself) &&
         write_line("/proc/self/gid_map", std::to_string(group) + " " + std::to_string(group) + to_itself);
}

/// Runs `body` with its own tmpfs of `size` at `place`; kNotPossible if that is not allowed.
inline int with_file_system(const std::filesystem::path& place, const char* size, const std::function<void()>& body,
                            unsigned seconds = 30) {
  std::filesystem::create_directory(place);
  return run_child(
      [&] {
        const std::string options = std::string("mode=0700,size=") + size;
        if (!become_root_of_a_namespace() || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", place.c_str(), "tmpfs", 0, options.c_str()) != 0) {
          return kNotPossible;
        }
        return checked(body);
      },
      seconds);
}

}  // namespace attnjit::cache
