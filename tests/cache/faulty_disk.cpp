#include "tests/cache/faulty_disk.h"

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <utility>

namespace attnjit::cache {
namespace {

std::atomic<int> remaining{0};  // changes left until the strike; 0: not armed
std::atomic<bool> has_struck{false};
std::atomic<Strike> kind{Strike::kFullOnce};
int closes_left = 0;  // closes left until `closed` is called; 0: not requested
std::function<void()> closed;

/// Whether the next change is to fail.
bool strikes() {
  if (has_struck) return kind == Strike::kFullFromThen;
  if (remaining == 0 || --remaining > 0) return false;
  has_struck = true;
  return true;
}

/// For calls that die or stop before they change anything.
bool dies_or_strikes() {
  if (!strikes()) return false;
  if (kind == Strike::kStop) return ::raise(SIGSTOP), false;
  if (kind == Strike::kDie) ::_exit(FaultyDisk::kExitStatus);
  return true;
}

sqlite3_vfs* real_disk = nullptr;
sqlite3_vfs faulty_disk;

/// A real file's methods, with ours in place of those that change the disk. A file holds a pointer to its methods, and
/// that is all a connection knows about it.
struct Methods {
  sqlite3_io_methods patched;  // first, so that a pointer to it is also a pointer to the whole
  const sqlite3_io_methods* real;
};

const sqlite3_io_methods& real_methods(sqlite3_file* file) {
  return *reinterpret_cast<const Methods*>(file->pMethods)->real;
}

int write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  if (!strikes()) return real_methods(file).xWrite(file, bytes, count, offset);
  // A full disk takes what fits; a process that dies has written only a part.
  real_methods(file).xWrite(file, bytes, count / 2, offset);
  if (kind == Strike::kDie) ::_exit(FaultyDisk::kExitStatus);
  if (kind == Strike::kStop) {
    ::raise(SIGSTOP);
    return real_methods(file).xWrite(file, bytes, count, offset);
  }
  return SQLITE_FULL;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (dies_or_strikes()) return SQLITE_IOERR_TRUNCATE;
  return real_methods(file).xTruncate(file, size);
}

int sync(sqlite3_file* file, int flags) {
  // If space is allocated late, a full disk shows here.
  if (dies_or_strikes()) return SQLITE_IOERR_FSYNC;
  return real_methods(file).xSync(file, flags);
}

int close(sqlite3_file* file) {
  const int code = real_methods(file).xClose(file);
  if (closes_left > 0 && --closes_left == 0) closed();
  return code;
}

const sqlite3_io_methods* patch(const sqlite3_io_methods* real) {
  static std::mutex mutex;
  static std::deque<Methods> known;  // a deque never moves its elements
  const std::lock_guard guard(mutex);
  for (const Methods& methods : known) {
    if (methods.real == real) return &methods.patched;
  }
  Methods& methods = known.emplace_back(Methods{*real, real});
  methods.patched.xWrite = write;
  methods.patched.xTruncate = truncate;
  methods.patched.xSync = sync;
  methods.patched.xClose = close;
  return &methods.patched;
}

int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  file->pMethods = nullptr;
  if ((flags & SQLITE_OPEN_CREATE) && dies_or_strikes()) return SQLITE_CANTOPEN;
  const int code = real_disk->xOpen(real_disk, name, file, flags, flags_out);
  if (file->pMethods) file->pMethods = patch(file->pMethods);
  return code;
}

int remove(sqlite3_vfs*, const char* name, int sync_directory) {
  // Deleting the journal is the commit. It needs no space, but a network disk may refuse it.
  if (dies_or_strikes()) return SQLITE_IOERR_DELETE;
  return real_disk->xDelete(real_disk, name, sync_directory);
}

}  // namespace

void FaultyDisk::install() {
  if (real_disk) return;
  real_disk = sqlite3_vfs_find(nullptr);
  faulty_disk = *real_disk;
  faulty_disk.zName = "faulty";
  faulty_disk.pNext = nullptr;
  faulty_disk.xOpen = open;
  faulty_disk.xDelete = remove;
  if (sqlite3_vfs_register(&faulty_disk, 1) != SQLITE_OK) std::abort();
}

void FaultyDisk::strike_at(int nth, Strike strike) {
  has_struck = false;
  kind = strike;
  remaining = nth;
}

void FaultyDisk::after_close(int nth, std::function<void()> then) {
  closes_left = nth;
  closed = std::move(then);
}

void FaultyDisk::heal() {
  remaining = 0;
  closes_left = 0;
  kind = Strike::kFullOnce;
}

bool FaultyDisk::struck() { return has_struck; }

}  // namespace attnjit::cache
