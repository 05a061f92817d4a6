// Lock files and the open-file-description (OFD) locks on them: the primitive under the key locks and the store's side
// lock. Internal to cache/.
//
// An OFD lock belongs to the open file description, not the process: two descriptors opened separately exclude each
// other even in one thread, and closing one does not drop the other's lock. Duplicated or inherited descriptors share
// one lock, so releasing is always an explicit unlock.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "process/fork.h"

namespace attnjit::cache {

/// Not valid in a forked child: descriptors from open_lock_file() are closed when the child starts, so their numbers
/// may be reused.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number), owner_(process::own_id()) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)), owner_(other.owner_) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    std::swap(owner_, other.owner_);
    return *this;
  }
  ~FileDescriptor();

  bool valid() const { return number_ >= 0; }
  int number() const { return number_; }
  /// Whether it belongs to the process this one was forked from.
  bool inherited() const { return owner_ != process::own_id(); }

 private:
  int number_ = -1;
  std::uint32_t owner_ = 0;
};

class HeldFolder;

/// Opens a lock file of a folder, creating it with mode 0600, or group-accessible if the folder is shared with a group.
/// Follows no symbolic link and does not block on a FIFO. Falls back to read-only, which is enough for shared locks.
/// Invalid if even that fails or the file must not be trusted (cache/folder_trust.h): a file others may lock can be
/// held by them, and a second name may be that of a file which is written to. `*why_not` says why.
FileDescriptor open_lock_file(const HeldFolder& folder, const std::filesystem::path& name,
                              std::string* why_not = nullptr);
/// The same where the folder must first be found, and be trusted as well.
FileDescriptor open_lock_file(const std::filesystem::path& path, std::string* why_not = nullptr);

enum class LockMode { kShared, kExclusive };
/// kUnavailable: the file system has no locks, or the descriptor does not allow this one.
enum class LockResult { kHeld, kTimedOut, kUnavailable };

/// Polling intervals: the first pause, and the longest (each pause is twice the previous one).
struct Pace {
  std::chrono::microseconds first;
  std::chrono::microseconds longest;
};

/// Locks the byte at `offset`, which need not exist. `*waited` (if given) says whether somebody else held it at the
/// first attempt.
LockResult lock_byte(int descriptor, LockMode mode, std::uint64_t offset, std::chrono::milliseconds timeout, Pace pace,
                     bool* waited = nullptr);
/// False if the system refuses (a network file system may): the lock is then held until the file is closed.
bool unlock_byte(int descriptor, std::uint64_t offset);

/// Whether process locks, which SQLite uses, fail permanently on this file's file system. Check this when lock_byte()
/// was kUnavailable: SQLite takes ENOLCK for a held lock and waits in vain.
bool process_locks_fail(int descriptor);

}  // namespace attnjit::cache
