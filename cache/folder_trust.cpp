#include "cache/folder_trust.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "cache/store.h"

namespace attnjit::cache {
namespace {

namespace fs = std::filesystem;

constexpr char kDescriptors[] = "/proc/self/fd/";

bool in_our_groups(gid_t group) {
  if (group == ::getegid()) return true;
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  const int count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  return count > 0 && std::find(groups.begin(), groups.begin() + count, group) != groups.begin() + count;
}

/// Shared folders, each with the group it was shared with. A grow-only list without a mutex: a forked child could
/// inherit a mutex locked.
struct Shared {
  const fs::path folder;
  const gid_t group;
  const Shared* next;
};
std::atomic<const Shared*> shared_folders{nullptr};

bool is_shared(const fs::path& folder, gid_t group) {
  for (const Shared* shared = shared_folders.load(); shared; shared = shared->next) {
    if (shared->folder == folder && shared->group == group) return true;
  }
  return false;
}

bool same_file(const struct stat& a, dev_t device, ino_t inode) { return a.st_dev == device && a.st_ino == inode; }

FileDescriptor open_again_if_interrupted(int folder, const fs::path& name, int flags) {
  for (;;) {
    const int descriptor = ::openat(folder, name.c_str(), flags, 0600);
    if (descriptor >= 0 || errno != EINTR) return FileDescriptor(descriptor);
  }
}

}  // namespace

std::optional<std::string> why_no_trust_in_folder(const struct stat& folder, bool shared_with_group) {
  const unsigned mode = folder.st_mode & 07777;
  if (mode & S_IWOTH) return fmt::format("everybody may write to it (mode {:04o}); chmod o-w makes it usable", mode);
  if ((mode & S_IWGRP) && !shared_with_group) {
    return fmt::format("its group may write to it (mode {:04o}); chmod g-w, or set ATTNJIT_CACHE_GROUP=1 to share it",
                       mode);
  }
  const bool shared = (mode & S_IWGRP) && in_our_groups(folder.st_gid);
  // A folder made by root that nobody else may change is a container image: everybody may read it.
  const bool roots = folder.st_uid == 0 && !(mode & S_IWGRP);
  if (folder.st_uid == ::geteuid() || shared || roots) return std::nullopt;
  return fmt::format("belongs to user {}, this process runs as {}", folder.st_uid, ::geteuid());
}

std::optional<std::string> why_no_trust_in_file(const struct stat& file, const struct stat& folder) {
  if (!S_ISREG(file.st_mode)) return "is not a regular file; remove it or choose another directory";
  const unsigned mode = file.st_mode & 07777;
  if (mode & S_IWOTH) return fmt::format("everybody may write to it (mode {:04o}); chmod o-w makes it usable", mode);
  // A group-writable folder is only trusted if sharing was requested for it.
  const bool groups_own = (folder.st_mode & S_IWGRP) && file.st_gid == folder.st_gid;
  if ((mode & S_IWGRP) && !groups_own) {
    const std::string cure = folder.st_mode & S_IWGRP ? fmt::format("chgrp {}", folder.st_gid) : "chmod g-w";
    return fmt::format("its group {} may write to it (mode {:04o}); {} makes it usable", file.st_gid, mode, cure);
  }
  if (file.st_uid != ::geteuid() && file.st_uid != 0 && file.st_uid != folder.st_uid && !groups_own) {
    return fmt::format("belongs to user {} and group {}, this process runs as {}{}", file.st_uid, file.st_gid,
                       ::geteuid(),
                       folder.st_mode & S_IWGRP ? "; chmod g+s on the folder gives it the right group" : "");
  }
  // A folder cannot stop whoever is able to hard-link a file into another name. Harmless where only root may write, and
  // some container-image file systems deduplicate equal files.
  const bool only_roots = file.st_uid == 0 && folder.st_uid == 0 && !(folder.st_mode & S_IWGRP) && ::geteuid() != 0;
  if (file.st_nlink != 1 && !only_roots) {
    return fmt::format("has {} names (hard links); copy it in place of the link, or remove it", file.st_nlink);
  }
  return std::nullopt;
}

void share_with_group(const fs::path& folder, gid_t group) {
  if (is_shared(folder, group)) return;
  auto* const fresh = new Shared{folder, group, shared_folders.load()};
  while (!shared_folders.compare_exchange_weak(fresh->next, fresh)) {
  }
}

HeldFolder::HeldFolder(fs::path folder) : folder_(std::move(folder)) {
  // O_PATH is enough for looking up names and needs no permission to list them. Closing it drops no file lock.
  descriptor_ = open_again_if_interrupted(AT_FDCWD, folder_, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  if (!descriptor_.valid() || ::fstat(descriptor_.number(), &status) != 0) {
    throw StoreError(fmt::format("{}: cannot be opened: {}", folder_.string(), std::strerror(errno)));
  }
  if (const auto reason = why_no_trust_in_folder(status, is_shared(folder_, status.st_gid))) {
    throw StoreError(fmt::format("{}: {}", folder_.string(), *reason));
  }
  device_ = status.st_dev;
  inode_ = status.st_ino;
  const std::string by_descriptor = kDescriptors + std::to_string(descriptor_.number());
  by_descriptor_ = ::stat(by_descriptor.c_str(), &status) == 0 && same_file(status, device_, inode_);
}

fs::path HeldFolder::path_of(const fs::path& name) const {
  if (!by_descriptor_) return folder_ / name;
  return fs::path(kDescriptors + std::to_string(descriptor_.number())) / name;
}

bool HeldFolder::bears_its_name() const {
  struct stat status;
  return ::lstat(folder_.c_str(), &status) == 0 && same_file(status, device_, inode_);
}

bool HeldFolder::look_at(const fs::path& name, struct stat& file) const {
  return ::fstatat(descriptor_.number(), name.c_str(), &file, AT_SYMLINK_NOFOLLOW) == 0;
}

bool HeldFolder::has(const fs::path& name) const {
  struct stat file;
  return look_at(name, file) || (errno != ENOENT && errno != ENOTDIR);
}

FileDescriptor HeldFolder::open(const fs::path& name, int flags) const {
  return open_again_if_interrupted(descriptor_.number(), name, flags | O_NOFOLLOW | O_CLOEXEC);
}

FileDescriptor HeldFolder::create(const fs::path& name, int flags) const {
  FileDescriptor made =
      open_again_if_interrupted(descriptor_.number(), name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC);
  struct stat folder, file;
  if (!made.valid() || ::fstat(descriptor_.number(), &folder) != 0 || !(folder.st_mode & S_IWGRP)) return made;
  (void)::fchmod(made.number(), 0660);  // the umask may have cleared the group's bits
  if (::fstat(made.number(), &file) == 0 && file.st_gid != folder.st_gid) {
    (void)::fchown(made.number(), static_cast<uid_t>(-1), folder.st_gid);
  }
  return made;
}

bool HeldFolder::rename(const fs::path& from, const fs::path& to) const {
  return ::renameat(descriptor_.number(), from.c_str(), descriptor_.number(), to.c_str()) == 0;
}

bool HeldFolder::remove(const fs::path& name) const { return ::unlinkat(descriptor_.number(), name.c_str(), 0) == 0; }

std::optional<std::string> HeldFolder::why_no_trust_in(int descriptor) const {
  struct stat folder, file;
  if (::fstat(descriptor_.number(), &folder) != 0 || ::fstat(descriptor, &file) != 0) {
    return fmt::format("cannot be looked at: {}", std::strerror(errno));
  }
  return why_no_trust_in_file(file, folder);
}

std::vector<std::string> remarks_on_parents(const fs::path& folder) {
  std::vector<std::string> remarks;
  std::error_code error;
  for (fs::path parent = fs::canonical(folder, error); !error && parent != parent.root_path();) {
    parent = parent.parent_path();
    struct stat status;
    if (::stat(parent.c_str(), &status) != 0) break;
    const unsigned mode = status.st_mode & 07777;
    const bool writable = (mode & (S_IWGRP | S_IWOTH)) && !(mode & S_ISVTX);
    const bool owned = status.st_uid == ::geteuid() || status.st_uid == 0;
    if (!writable && owned) continue;
    remarks.push_back(
        fmt::format("{} (mode {:04o}, user {}) may be written by others, who can exchange the cache folder; an "
                    "exchanged one is not used",
                    parent.string(), mode, status.st_uid));
  }
  return remarks;
}

std::string shown_path(const fs::path& path) {
  std::error_code error;
  if (!path.native().starts_with(kDescriptors)) return path.string();
  const fs::path folder = fs::read_symlink(path.parent_path(), error);
  return error ? path.string() : (folder / path.filename()).string();
}

}  // namespace attnjit::cache
