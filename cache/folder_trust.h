// Whose kernels may run: which folders and files may hold the store. Internal to cache/.
//
// A cubin runs with this process's rights, so only this user, root, and members of a group the folder was explicitly
// shared with may be able to put one into the store. The check is made on the open folder itself and on each file as it
// is opened, every time: if others may write to a parent folder, a folder that was right a moment ago may have been
// replaced. Write access to parents is not checked (a Kubernetes volume has mode 0777).
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cache/ofd_lock.h"

namespace attnjit::cache {

/// Why kernels must not be loaded from a folder with this status; nothing if they may be.
std::optional<std::string> why_no_trust_in_folder(const struct stat& folder, bool shared_with_group);
/// The same for a file in a trusted folder.
std::optional<std::string> why_no_trust_in_file(const struct stat& file, const struct stat& folder);

/// Lets members of this group write to the folder from now on: sharing was requested explicitly. Thread-safe; lasts for
/// the life of the process. `folder` must be free of symbolic links.
void share_with_group(const std::filesystem::path& folder, gid_t group);

/// A trusted folder, held open by a descriptor: lookups stay in this folder even if its name is reassigned meanwhile.
/// Without /proc, names are looked up by path.
class HeldFolder {
 public:
  /// Throws StoreError if the folder cannot be opened or must not be trusted.
  explicit HeldFolder(std::filesystem::path folder);

  /// A path to the named file.
  std::filesystem::path path_of(const std::filesystem::path& name) const;
  /// Whether the name it was opened by still refers to this folder.
  bool bears_its_name() const;

  /// The functions below work through the descriptor and report failures in errno. They do not follow a symbolic link
  /// at `name`.
  bool look_at(const std::filesystem::path& name, struct stat& file) const;
  /// Also true if the file cannot be examined.
  bool has(const std::filesystem::path& name) const;
  FileDescriptor open(const std::filesystem::path& name, int flags) const;
  /// Creates a file that must not exist yet. Mode 0600, or group access where the group may write to the folder,
  /// whatever this process's umask and group, so no setgid bit is needed.
  FileDescriptor create(const std::filesystem::path& name, int flags) const;
  bool rename(const std::filesystem::path& from, const std::filesystem::path& to) const;
  bool remove(const std::filesystem::path& name) const;
  /// Why an open file of this folder must not be used; nothing if it may be.
  std::optional<std::string> why_no_trust_in(int descriptor) const;

 private:
  std::filesystem::path folder_;
  FileDescriptor descriptor_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  bool by_descriptor_ = false;
};

/// One line per parent folder in which others could replace this folder.
std::vector<std::string> remarks_on_parents(const std::filesystem::path& folder);

/// Turns a path from HeldFolder::path_of() into the one people know; other paths are unchanged.
std::string shown_path(const std::filesystem::path& path);

}  // namespace attnjit::cache
