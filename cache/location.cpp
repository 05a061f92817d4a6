#include "cache/location.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "cache/folder_trust.h"
#include "cache/store.h"

namespace attnjit::cache {
namespace {

namespace fs = std::filesystem;

constexpr char kMemory[] = ":memory:";

std::optional<std::string> non_empty(const Getenv& getenv, const char* name) {
  std::optional<std::string> value = getenv(name);
  if (value && value->empty()) value.reset();
  return value;
}

/// lstat("link/") follows the link, lstat("link") does not.
fs::path without_trailing_slash(const fs::path& path) {
  std::string text = path.string();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

/// mkdir -p with mode 0700 for everything created. On false, errno is set.
bool make_directories(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return true;
  if (errno != ENOENT || !path.has_parent_path() || path.parent_path() == path) return false;
  return make_directories(path.parent_path()) && (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST);
}

/// A usable folder, or why it is not usable.
struct Place {
  std::optional<std::string> refusal;
  fs::path directory = {};  // without a link as last component
  bool read_only = false;
};

enum class Links { kFollowed, kRefused };

/// Creates the directory if needed and checks it. A link owned by this user or root is as good as a name: nobody else
/// controls where it leads. Where everybody may create links, none is followed.
Place prepare(fs::path directory, bool allow_group, Links links) {
  if (!make_directories(directory)) return {fmt::format("cannot be created: {}", std::strerror(errno))};
  struct stat status;
  if (::lstat(directory.c_str(), &status) != 0) return {fmt::format("cannot be read: {}", std::strerror(errno))};
  if (S_ISLNK(status.st_mode)) {
    if (links == Links::kRefused || (status.st_uid != ::geteuid() && status.st_uid != 0)) {
      return {fmt::format("is a symbolic link of user {}; name the directory that it points to", status.st_uid)};
    }
    std::error_code error;
    directory = fs::canonical(directory, error);
    if (error || ::lstat(directory.c_str(), &status) != 0) {
      return {fmt::format("is a symbolic link to what cannot be read: {}", error.message())};
    }
  }
  if (!S_ISDIR(status.st_mode)) return {"is not a directory"};
  if (auto reason = why_no_trust_in_folder(status, allow_group)) return {std::move(reason)};
  if (allow_group && (status.st_mode & S_IWGRP)) {
    std::error_code error;
    share_with_group(fs::canonical(directory, error), status.st_gid);
  }
  if (::faccessat(AT_FDCWD, directory.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0) return {std::nullopt, directory};
  const int why_not = errno;
  // A read-only folder with kernels beats an empty one further down: the image was made with them.
  const fs::path file = directory / Store::file_name();
  if (::faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0) return {std::nullopt, directory, /*read_only=*/true};
  if (errno == EACCES && status.st_uid == 0) {
    return {fmt::format("is root's and cannot be read: {}; chmod -R a+rX makes it readable", std::strerror(errno))};
  }
  return {fmt::format("cannot be written: {}", std::strerror(why_not))};
}

/// Uses the place; `name` is the setting it was found by.
void use(Location& location, const Place& place, const char* name) {
  location.directory = place.directory;
  location.reason = place.read_only ? fmt::format("{} (read only: kernels compiled here are not kept)", name) : name;
}

/// Checks a base folder that we do not create: a nonexistent HOME is not a home, and in a temporary folder without
/// sticky bit anyone who can rename our folder can replace it.
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

/// A place requested by name: used, or not replaced by another.
Location named_place(const std::string& value, const char* name, bool allow_group) {
  Location location;
  if (value == kMemory) {
    location.reason = fmt::format("{} asks for memory only", name);
    return location;
  }
  std::error_code error;
  const fs::path directory = without_trailing_slash(fs::absolute(value, error));
  const Place place = error ? Place{error.message()} : prepare(directory, allow_group, Links::kFollowed);
  if (!place.refusal) {
    use(location, place, name);
    return location;
  }
  location.rejected.push_back(fmt::format("{}: {} {}", name, directory.string(), *place.refusal));
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
                          const fs::path& directory, Links links = Links::kFollowed) {
    const Place place = base_refusal ? Place{base_refusal} : prepare(directory, allow_group, links);
    if (place.refusal) {
      const fs::path& looked_at = base_refusal ? base : directory;
      location.rejected.push_back(fmt::format("{}: {} {}", name, looked_at.string(), *place.refusal));
      return false;
    }
    use(location, place, name);
    return true;
  };

  if (const auto value = non_empty(getenv, "XDG_CACHE_HOME")) {
    const fs::path base = *value;
    // The XDG base directory specification says to ignore relative paths, and to create the folder if it is missing.
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
  if (usable("temporary folder", base, refuse_base(base, true), temporary_directory(base), Links::kRefused))
    return location;

  location.reason = "memory only, because no place on disk can be used";
  return location;
}

}  // namespace attnjit::cache
