// Lock files and the open-file-description locks on them: the primitive below the key locks and the store's
// side lock. Internal to cache/.
//
// An OFD lock belongs to the open file, not to the process: two descriptors that were opened apart exclude
// each other even in one thread, and closing one does not drop the lock of the other. All descriptors that
// were duplicated or inherited from one share its lock, which is why letting go is always an explicit unlock.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "process/fork.h"

namespace attnjit::cache {

/// A forked child has none of it: open_lock_file()'s are closed there when it begins, so their numbers may be anything.
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
  /// From the process that this one was forked from.
  bool inherited() const { return owner_ != process::own_id(); }

 private:
  int number_ = -1;
  std::uint32_t owner_ = 0;
};

class HeldFolder;

/// Opens a lock file of a folder, creating it with mode 0600, or for the group in a directory that is shared with one.
/// Never follows a symbolic link, and waits for no pipe. Falls back to reading only, which is enough for shared locks;
/// invalid if not even that is possible, or if the file must not be trusted (cache/folder_trust.h): what others may
/// lock, they may hold, and a second name may be that of a file which is written to. `*why_not` says so.
FileDescriptor open_lock_file(const HeldFolder& folder, const std::filesystem::path& name,
                              std::string* why_not = nullptr);
/// The same where the folder has to be found first, and must be trusted, too.
FileDescriptor open_lock_file(const std::filesystem::path& path, std::string* why_not = nullptr);

enum class LockMode { kShared, kExclusive };
/// kUnavailable: the file system has no locks, or the descriptor does not allow this one.
enum class LockResult { kHeld, kTimedOut, kUnavailable };

/// How a lock is polled: the first pause, and the longest (each pause is twice the last).
struct Pace {
  std::chrono::microseconds first;
  std::chrono::microseconds longest;
};

/// Locks the byte at `offset`, which need not exist. `*waited` (if given) tells whether somebody else held it
/// at the first try.
LockResult lock_byte(int descriptor, LockMode mode, std::uint64_t offset, std::chrono::milliseconds timeout, Pace pace,
                     bool* waited = nullptr);
/// False where the system refuses (a network file system may): the lock is held until the file is closed.
bool unlock_byte(int descriptor, std::uint64_t offset);

/// Whether locks of processes, which SQLite uses, fail for good on this file's file system. Worth asking where
/// lock_byte() was kUnavailable: to SQLite, ENOLCK is a lock that somebody holds, and it waits in vain.
bool process_locks_fail(int descriptor);

}  // namespace attnjit::cache
