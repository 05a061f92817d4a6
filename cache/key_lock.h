// One compile per key on a node: an OFD byte-range lock per key on a side file.
//
// OFD locks belong to the open file description, so threads exclude each other too and closing another
// descriptor of the file drops nothing. A forked child shares the description and keeps the lock past a
// close, therefore release is an explicit F_UNLCK. There is no timed wait, so waiting is polling with
// back-off. Where the file system has no locks (ENOLCK), acquisition reports `kUnavailable` and the caller
// goes on.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "cache/key.h"
#include "cache/ofd_lock.h"

namespace attnjit::cache {

class KeyLock {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Outcome { kHeld, kTimedOut, kUnavailable };

  /// Locks the byte of `key` in the file `lock_path` (created 0600, O_CLOEXEC). Gives up when its holders have
  /// shown no progress for as long as `timeout` in all (cache/key_holder.h), and after twelve times that whatever it
  /// shows. waited() tells whether somebody else held it first.
  KeyLock(const std::filesystem::path& lock_path, const Key& key, std::chrono::milliseconds timeout);
  ~KeyLock();
  KeyLock(const KeyLock&) = delete;
  KeyLock& operator=(const KeyLock&) = delete;

  Outcome outcome() const { return outcome_; }
  /// Of kUnavailable, in words.
  const std::string& why_not() const { return why_not_; }
  bool waited() const { return waited_; }
  /// For how long of that the holders did not get on.
  Clock::duration idle() const { return idle_; }
  /// Tells those who wait that this holder waits itself, for the store say, until it says otherwise.
  void note_waiting(bool waits);

 private:
  std::string why_not_;
  FileDescriptor file_;
  unsigned long long offset_ = 0;
  Outcome outcome_ = Outcome::kUnavailable;
  bool waited_ = false;
  Clock::duration idle_{};
};

}  // namespace attnjit::cache
