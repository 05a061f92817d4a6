// One compile per key on a node: an OFD byte-range lock per key on a side file.
//
// OFD locks belong to the open file description, so they also exclude threads from each other, and closing another
// descriptor of the file drops nothing. A forked child shares the description and keeps the lock past a close, so
// release is an explicit F_UNLCK. There is no timed wait, so waiting is polling with back-off. On file systems without
// locks (ENOLCK), acquisition reports `kUnavailable` and the caller goes on.
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

  /// Locks the byte of `key` in the file `lock_path` (mode 0600, 0660 in a shared folder; O_CLOEXEC). Gives up when its
  /// holders have shown no progress for a total of `timeout` (cache/key_holder.h), and in any case after twelve times
  /// that. waited() says whether somebody else held it first.
  KeyLock(const std::filesystem::path& lock_path, const Key& key, std::chrono::milliseconds timeout);
  ~KeyLock();
  KeyLock(const KeyLock&) = delete;
  KeyLock& operator=(const KeyLock&) = delete;

  Outcome outcome() const { return outcome_; }
  /// The reason for kUnavailable.
  const std::string& why_not() const { return why_not_; }
  bool waited() const { return waited_; }
  /// How much of that the holders made no progress.
  Clock::duration idle() const { return idle_; }
  /// Tells waiters that this holder is itself waiting (for the store, say), until called with false.
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
