#include "cache/location.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace attnjit::cache {
namespace {

namespace fs = std::filesystem;

constexpr char kMemory[] = ":memory:";

std::optional<std::string> non_empty(const Getenv& getenv, const char* name) {
  std::optional<std::string> value = getenv(name);
  if (value && value->empty()) value.reset();
  return value;
}

/// lstat("link/") looks through the link, lstat("link") does not.
fs::path without_trailing_slash(const fs::path& path) {
  std::string text = path.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

/// mkdir -p with mode 0700 for all that is made. False with errno set.
bool make_directories(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return true;
  if (errno != ENOENT || !path.has_parent_path() || path.parent_path() == path) return false;
  return make_directories(path.parent_path()) && (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST);
}

bool in_our_groups(gid_t group) {
  if (group == ::getegid()) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  return count > 0 && std::find(groups.begin(), groups.begin() + count, group) != groups.begin() + count;
}

/// Creates the directory if need be. Returns why it must not or cannot be used, or nothing. Cubins are run
/// with the rights of this process, so nobody else may be able to put one there.
std::optional<std::string> prepare(const fs::path& directory, bool allow_group) {
  if (!make_directories(directory)) return fmt::format("cannot be created: {}", std::strerror(errno));
  struct stat status;
  if (::lstat(directory.c_str(), &status) != 0) return fmt::format("cannot be read: {}", std::strerror(errno));
  if (S_ISLNK(status.st_mode)) return "is a symbolic link; name the directory that it points to";
  if (!S_ISDIR(status.st_mode)) return "is not a directory";
  const unsigned mode = status.st_mode & 07777;
  if (mode & S_IWOTH) return fmt::format("everybody may write to it (mode {:04o}); chmod o-w makes it usable", mode);
  const bool shared = allow_group && (mode & S_IWGRP) && in_our_groups(status.st_gid);
  if ((mode & S_IWGRP) && !allow_group) {
    return fmt::format("its group may write to it (mode {:04o}); chmod g-w, or set ATTNJIT_CACHE_GROUP=1 to share it",
                       mode);
  }
  if (status.st_uid != ::geteuid() && !shared) {
    return fmt::format("belongs to user {}, this process runs as {}", status.st_uid, ::geteuid());
  }
  if (::faccessat(AT_FDCWD, directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
    return fmt::format("cannot be written: {}", std::strerror(errno));
  }
  return std::nullopt;
}

/// The base of a place that is not made by us: a HOME that does not exist is no home, and whoever can rename
/// our folder in a temporary folder without sticky bit can replace it.
std::optional<std::string> refuse_base(const fs::path& base, bool temporary) {
  if (!base.is_absolute()) return "is not an absolute path";
  struct stat status;
  if (::stat(base.c_str(), &status) != 0) return fmt::format("cannot be used: {}", std::strerror(errno));
  if (!S_ISDIR(status.st_mode)) return "is not a directory";
  if (temporary && (status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX)) {
    return "everybody may write to it and it has no sticky bit; chmod +t makes it usable";
  }
  return std::nullopt;
}

fs::path temporary_base(const Getenv& getenv) { return non_empty(getenv, "TMPDIR").value_or("/tmp"); }

fs::path temporary_directory(const fs::path& base) { return base / fmt::format("attnjit-{}", ::geteuid()); }

/// A place that was asked for by name: used, or not replaced by another.
Location named_place(const std::string& value, const char* name, bool allow_group) {
  Location location;
  if (value == kMemory) {
    location.reason = fmt::format("{} asks for memory only", name);
    return location;
  }
  std::error_code error;
  const fs::path directory = without_trailing_slash(fs::absolute(value, error));
  const std::optional<std::string> refusal =
      error ? std::optional<std::string>(error.message()) : prepare(directory, allow_group);
  if (!refusal) {
    location.directory = directory;
    location.reason = name;
    return location;
  }
  location.rejected.push_back(fmt::format("{}: {} {}", name, directory.string(), *refusal));
  location.reason = fmt::format("memory only, because {} names a place that cannot be used", name);
  return location;
}

}  // namespace

Getenv process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value ? std::optional<std::string>(value) : std::nullopt;
  };
}

Location choose_location(const std::string& wanted, const Getenv& getenv) {
  const bool allow_group = getenv("ATTNJIT_CACHE_GROUP") == "1";
  if (!wanted.empty()) return named_place(wanted, "the given cache path", allow_group);
  if (const auto named = non_empty(getenv, "ATTNJIT_CACHE")) {
    return named_place(*named, "ATTNJIT_CACHE", allow_group);
  }

  Location location;
  const auto usable = [&](const char* name, const fs::path& base, const std::optional<std::string>& base_refusal,
                          const fs::path& directory) {
    const auto refusal = base_refusal ? base_refusal : prepare(directory, allow_group);
    if (refusal) {
      const fs::path& place = base_refusal ? base : directory;
      location.rejected.push_back(fmt::format("{}: {} {}", name, place.string(), *refusal));
      return false;
    }
    location.directory = directory;
    location.reason = name;
    return true;
  };

  if (const auto value = non_empty(getenv, "XDG_CACHE_HOME")) {
    const fs::path base = *value;
    // A relative path is to be ignored, says the XDG base directory specification; one not there, to be made.
    const auto refusal = base.is_absolute() ? std::nullopt : std::optional<std::string>("is not an absolute path");
    if (usable("XDG_CACHE_HOME", base, refusal, base / "attnjit")) return location;
  } else {
    location.rejected.push_back("XDG_CACHE_HOME: is not set");
  }
  if (const auto value = non_empty(getenv, "HOME")) {
    const fs::path base = *value;
    if (usable("HOME", base, refuse_base(base, false), base / ".cache" / "attnjit")) return location;
  } else {
    location.rejected.push_back("HOME: is not set");
  }
  const fs::path base = temporary_base(getenv);
  if (usable("temporary folder", base, refuse_base(base, true), temporary_directory(base))) return location;

  location.reason = "memory only, because no place on disk can be used";
  return location;
}

}  // namespace attnjit::cache
