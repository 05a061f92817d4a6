#include "cache/vfs.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "cache/folder_trust.h"
#include "cache/store.h"

namespace attnjit::cache {
namespace {

constexpr std::string_view kJournal = "-journal";
constexpr std::string_view kWriteAheadLog = "-wal";
constexpr std::string_view kSharedMemory = "-shm";

/// No destructor: a thread may outlive this library's.
thread_local std::array<char, 512> remark_text{};

void remark(std::string_view text) noexcept {
  const std::size_t size = std::min(text.size(), remark_text.size() - 1);
  std::memcpy(remark_text.data(), text.data(), size);
  remark_text[size] = '\0';
}

/// A VFS in front of `base`. SQLite passes `vfs` back to each method.
struct Guard {
  sqlite3_vfs vfs;  // first, so a pointer to it is also one to the Guard
  sqlite3_vfs* base;
  std::string name;
};

sqlite3_vfs* base_of(sqlite3_vfs* vfs) { return reinterpret_cast<Guard*>(vfs)->base; }

bool belongs_to_a_database(std::string_view name) { return name.ends_with(kJournal) || name.ends_with(kWriteAheadLog); }

bool was_there(const struct stat& file) { return file.st_mode != 0; }

/// Whether the named file may be opened, as far as can be told without opening it. A missing one may.
bool may_be_opened(const std::string& name, struct stat& file) {
  file = {};
  if (::lstat(name.c_str(), &file) != 0) return true;  // SQLite finds and reports this itself
  struct stat folder;
  if (::stat(std::filesystem::path(name).parent_path().c_str(), &folder) != 0) return true;
  const auto reason = why_no_trust_in_file(file, folder);
  if (reason) remark(fmt::format("{}: {}", shown_path(name), *reason));
  return !reason;
}

/// Gives a journal made by this process to the folder's group, like the database, and to nobody else. SQLite gives it
/// the database's mode, which may have changed since that was opened; a journal that others may write to would be
/// trusted by nobody and lock everybody out for good.
void fit_into_folder(const std::string& name) {
  struct stat folder, file;
  if (::stat(std::filesystem::path(name).parent_path().c_str(), &folder) != 0) return;
  const bool shared = folder.st_mode & S_IWGRP;
  // By name, since SQLite owns the descriptor. The check that follows detects a failure.
  if (shared) (void)::lchown(name.c_str(), static_cast<uid_t>(-1), folder.st_gid);
  if (::lstat(name.c_str(), &file) == 0 && S_ISREG(file.st_mode) &&
      (file.st_mode & (shared ? S_IWOTH : S_IWOTH | S_IWGRP))) {
    (void)::chmod(name.c_str(), shared ? 0660 : 0600);
  }
}

/// Checks what has the name now that it is open: it may have been replaced since the first check.
bool is_what_was_looked_at(sqlite3_file* opened, const std::string& name, const struct stat& before) {
  struct stat after;
  if (!may_be_opened(name, after)) return false;
  int moved = 0;
  opened->pMethods->xFileControl(opened, SQLITE_FCNTL_HAS_MOVED, &moved);
  if (!moved && (!was_there(before) || (before.st_dev == after.st_dev && before.st_ino == after.st_ino))) return true;
  remark(fmt::format("{}: was replaced while it was being opened", shown_path(name)));
  return false;
}

int refuse(sqlite3_file* file) noexcept {
  file->pMethods = nullptr;
  return SQLITE_CANTOPEN;
}

int open_checked(sqlite3_vfs* vfs, const char* given, sqlite3_file* file, int flags, int* flags_out) {
  constexpr int kOurs = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;
  const std::string name = given;
  if (!(flags & kOurs)) {
    remark(fmt::format("{}: is no file of the kernel cache; it was not opened", name));
    return refuse(file);
  }
  struct stat before, unused;
  // The shared memory of a write-ahead log is opened below this VFS, together with the log.
  if (!may_be_opened(name, before) ||
      ((flags & SQLITE_OPEN_WAL) &&
       !may_be_opened(name.substr(0, name.size() - kWriteAheadLog.size()).append(kSharedMemory), unused))) {
    return refuse(file);
  }
  const int code = base_of(vfs)->xOpen(base_of(vfs), given, file, flags, flags_out);
  if (code != SQLITE_OK) return code;
  if (!was_there(before)) fit_into_folder(name);
  if (is_what_was_looked_at(file, name, before)) return code;
  if (file->pMethods) file->pMethods->xClose(file);
  return refuse(file);
}

int vfs_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  file->pMethods = nullptr;
  // SQLite creates files without a name for itself and deletes them on opening.
  if (!name) return base_of(vfs)->xOpen(base_of(vfs), name, file, flags, flags_out);
  try {
    return open_checked(vfs, name, file, flags, flags_out);
  } catch (const std::exception&) {  // out of memory
    return refuse(file);
  }
}

int vfs_delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  if (belongs_to_a_database(name)) return base_of(vfs)->xDelete(base_of(vfs), name, sync_directory);
  return SQLITE_IOERR_DELETE;
}

/// To SQLite, a missing super-journal means its transaction has ended, and it deletes the journal that names it.
int vfs_access(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  if (belongs_to_a_database(name)) {
    const int code = base_of(vfs)->xAccess(base_of(vfs), name, flags, result);
    if (code != SQLITE_OK || *result || flags != SQLITE_ACCESS_EXISTS) return code;
    // SQLite's own version treats every failure as "missing", and would then take the half-written file next to a
    // journal for a sound one.
    struct stat file;
    if (::stat(name, &file) == 0) {
      *result = !S_ISREG(file.st_mode) || file.st_size > 0;
    } else if (errno != ENOENT && errno != ENOTDIR) {
      return SQLITE_IOERR_ACCESS;
    }
    return SQLITE_OK;
  }
  *result = 0;
  try {
    remark(
        fmt::format("the journal names the file {}, which is none of the kernel cache; the journal was ignored", name));
  } catch (const std::exception&) {  // out of memory
  }
  return SQLITE_OK;
}

/// Names come resolved from HeldFolder and must not be resolved again: links in their path may have changed.
int vfs_full_pathname(sqlite3_vfs*, const char* name, int size, char* result) {
  const std::size_t needed = std::strlen(name) + 1;
  if (needed > static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(result, name, needed);
  return SQLITE_OK;
}

std::unique_ptr<Guard> guard_of(sqlite3_vfs* base) {
  auto guard = std::make_unique<Guard>(Guard{*base, base, {}});
  // Uses its address, because another copy of this library in the process has its own VFS.
  guard->name = fmt::format("attnjit-{}", fmt::ptr(guard.get()));
  guard->vfs.zName = guard->name.c_str();
  guard->vfs.pNext = nullptr;
  guard->vfs.xOpen = vfs_open;
  guard->vfs.xDelete = vfs_delete;
  guard->vfs.xAccess = vfs_access;
  guard->vfs.xFullPathname = vfs_full_pathname;
  if (sqlite3_vfs_register(&guard->vfs, /*makeDflt=*/0) != SQLITE_OK) {
    throw StoreError("SQLite does not take the VFS of the kernel cache");
  }
  return guard;
}

std::mutex guards_mutex;
/// Never freed: a connection may still be open when the process ends or this library is unloaded.
std::vector<std::unique_ptr<Guard>>& guards() {
  static auto* const all = new std::vector<std::unique_ptr<Guard>>;
  return *all;
}

/// SQLite must not keep pointers into an unloaded library.
struct Unregister {
  ~Unregister() {
    for (const auto& guard : guards()) sqlite3_vfs_unregister(&guard->vfs);
  }
};

}  // namespace

const char* store_vfs() {
  static const Unregister at_exit;
  sqlite3_vfs* const base = sqlite3_vfs_find(nullptr);
  if (!base) throw StoreError("SQLite has no VFS");
  const std::lock_guard lock(guards_mutex);
  for (const auto& guard : guards()) {
    if (guard->base == base) return guard->name.c_str();
  }
  return guards().emplace_back(guard_of(base))->name.c_str();
}

std::string take_vfs_remark() {
  std::string text = remark_text.data();
  remark_text[0] = '\0';
  return text;
}

}  // namespace attnjit::cache
