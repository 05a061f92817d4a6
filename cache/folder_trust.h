// Whose kernels are run: which folders and files may hold the store. Internal to cache/.
//
// A cubin runs with the rights of this process, so nobody may be able to put one into the store but this user, root,
// and the members of a group that the folder was shared with by name. That is asked of the very folder that is held
// and of each file as it is opened, every time: where others may write to a parent folder, one that was right a moment
// ago may have been replaced. Who may write to the parents is not asked (a volume of Kubernetes has mode 0777).
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cache/ofd_lock.h"

namespace attnjit::cache {

/// Why kernels must not be taken from a folder with this status; nothing if they may be.
std::optional<std::string> why_no_trust_in_folder(const struct stat& folder, bool shared_with_group);
/// The same of a file in a folder that is trusted.
std::optional<std::string> why_no_trust_in_file(const struct stat& file, const struct stat& folder);

/// From now on the members of this group may write to the folder: sharing was asked for by name. Thread-safe, for the
/// life of the process. `folder` is free of symbolic links.
void share_with_group(const std::filesystem::path& folder, gid_t group);

/// A folder that was found to be trusted, held by a descriptor: names below it stay names in this folder, whatever its
/// own name is given to meanwhile. Where there is no /proc, the names are looked up by path.
class HeldFolder {
 public:
  /// Throws StoreError if the folder cannot be opened or must not be trusted.
  explicit HeldFolder(std::filesystem::path folder);

  /// A path to the file of this name.
  std::filesystem::path path_of(const std::filesystem::path& name) const;
  /// Whether the name that it was opened by still is this folder's.
  bool bears_its_name() const;

  /// What follows goes by the descriptor, and says by errno why it failed. No symbolic link at a name is followed.
  bool look_at(const std::filesystem::path& name, struct stat& file) const;
  /// Or may have, where it cannot be looked at.
  bool has(const std::filesystem::path& name) const;
  FileDescriptor open(const std::filesystem::path& name, int flags) const;
  /// A file that was not there, with mode 0600: as accessible as the folder demands, to the group of one that its group
  /// may write to, whatever the umask and the group of this process, so that no setgid bit is needed.
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

/// A line for each folder above this one in which others could exchange it.
std::vector<std::string> remarks_on_parents(const std::filesystem::path& folder);

/// A path of HeldFolder::path_of() as people know it; any other as it is.
std::string shown_path(const std::filesystem::path& path);

}  // namespace attnjit::cache
