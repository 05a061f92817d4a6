#include "cache/key_lock.h"

#include <algorithm>

#include "cache/key_holder.h"

namespace attnjit::cache {
namespace {

/// A compile takes 0.2 to 1 s, so pauses of at most 20 ms add little to a wait, and a hundred waiting processes
/// together make 5000 cheap system calls a second.
constexpr Pace kPace{std::chrono::milliseconds(1), std::chrono::milliseconds(20)};

/// How often a waiter checks whether the holder makes progress.
constexpr std::chrono::milliseconds kLookPause{250};
/// Limits a wait even if the holder keeps computing: it may do so forever, or for something else.
constexpr int kMostTimeouts = 12;

/// The byte for a key: 62 bits of its digest, so the range stays below the largest offset. Two keys that share a byte
/// (never, in practice) merely wait for each other.
unsigned long long byte_of(const Key& key) {
  unsigned long long offset = 0;
  for (int i = 0; i < 8; ++i) offset = (offset << 8) | key.bytes[i];
  return offset >> 2;
}

/// Waits until the lock is free, or until the time without progress by its holders, `idle`, reaches `timeout`.
LockResult lock_while_progress(int file, std::uint64_t offset, std::chrono::milliseconds timeout, bool& waited,
                               KeyLock::Clock::duration& idle) {
  using Clock = KeyLock::Clock;
  const LockResult first = lock_byte(file, LockMode::kExclusive, offset, std::chrono::milliseconds(0), kPace, &waited);
  if (first != LockResult::kTimedOut) return first;
  const auto start = Clock::now();
  auto last_look = start;
  for (HolderProgress progress(file, offset);;) {
    const LockResult result =
        lock_byte(file, LockMode::kExclusive, offset, std::min(timeout, kLookPause), kPace, nullptr);
    if (result != LockResult::kTimedOut) return result;
    const auto now = Clock::now();
    if (!progress.seen()) idle += now - last_look;
    last_look = now;
    if (idle >= timeout || now - start >= kMostTimeouts * timeout) return result;
  }
}

}  // namespace

KeyLock::KeyLock(const std::filesystem::path& lock_path, const Key& key, std::chrono::milliseconds timeout)
    : file_(open_lock_file(lock_path, &why_not_)), offset_(byte_of(key)) {
  if (!file_.valid()) return;
  switch (lock_while_progress(file_.number(), offset_, timeout, waited_, idle_)) {
    case LockResult::kHeld:
      outcome_ = Outcome::kHeld;
      note_holder(file_.number(), offset_, Holder::kWorks);
      break;
    case LockResult::kTimedOut: outcome_ = Outcome::kTimedOut; break;
    case LockResult::kUnavailable: why_not_ = "locks fail on its file system"; break;
  }
}

void KeyLock::note_waiting(bool waits) {
  if (outcome_ == Outcome::kHeld && !file_.inherited())
    note_holder(file_.number(), offset_, waits ? Holder::kWaits : Holder::kWorks);
}

KeyLock::~KeyLock() {
  // In a forked child this is the parent's lock: unlocking would drop it for both.
  if (outcome_ == Outcome::kHeld && !file_.inherited()) unlock_byte(file_.number(), offset_);
}

}  // namespace attnjit::cache
