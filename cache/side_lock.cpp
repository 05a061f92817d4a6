// The lock on the side file, held by every transaction.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cache/store_file.h"

namespace attnjit::cache {
namespace {

constexpr Pace kSidePace{std::chrono::microseconds(100), std::chrono::milliseconds(2)};
constexpr std::uint64_t kSideByte = 0;
/// Waiters for the side byte hold this gate byte while waiting and release it once they have the side byte. Readers
/// share it. A waiting writer keeps out later arrivals, so a stream of overlapping readers cannot starve it, and
/// waiting readers keep out the next writer.
constexpr std::uint64_t kGateByte = 1;

/// A failure may be transient; the store goes on without the lock only where it never works.
constexpr int kTriesToLock = 3;

}  // namespace

StoreFile::SideLock::SideLock(StoreFile& file, LockMode mode) : file_(file), mode_(mode) { take(mode); }

void StoreFile::SideLock::make_exclusive() {
  if (mode_ == LockMode::kExclusive) return;
  let_go();
  take(LockMode::kExclusive);
}

void StoreFile::SideLock::take(LockMode mode) {
  mode_ = mode;
  owner_pid_ = ::getpid();
  file_.hold_folder();
  std::string why_not;
  file_.open_side_file(why_not);
  if (!file_.side_file_.valid()) {
    if (file_.locks_work_) {
      throw StoreError(fmt::format("{}: its lock file can no longer be used: {}", file_.path_.string(), why_not));
    }
    return;  // if our lock has no room here, SQLite's still works
  }
  const int side_file = file_.side_file_.number();
  WaitBudget& budget = *file_.budget_;
  const auto start = WaitBudget::Clock::now();
  const LockResult gate = lock_byte(side_file, mode, kGateByte, budget.left_ms(), kSidePace);
  budget.spend_since(start);
  const auto through = WaitBudget::Clock::now();
  LockResult side =
      gate == LockResult::kTimedOut ? gate : lock_byte(side_file, mode, kSideByte, budget.left_ms(), kSidePace);
  for (int tries = 0; side == LockResult::kUnavailable && tries < kTriesToLock; ++tries) {
    side = lock_byte(side_file, mode, kSideByte, budget.left_ms(), kSidePace);
  }
  budget.spend_since(through);
  if (gate == LockResult::kHeld && !unlock_byte(side_file, kGateByte)) closes_ = true;
  switch (side) {
    case LockResult::kHeld: held_ = file_.locks_work_ = true; break;
    case LockResult::kTimedOut:
      let_go();  // a constructor that throws runs no destructor
      throw StoreBusy(fmt::format("{}: another process holds the lock and does not let go of it (it may be stopped)",
                                  file_.path_.string()));
    case LockResult::kUnavailable:
      let_go();
      if (process_locks_fail(side_file)) {
        throw StoreError(fmt::format("{}: locks fail on its file system ({}); choose a directory on a local disk",
                                     file_.path_.string(), std::strerror(errno)));
      }
      if (file_.locks_work_) {
        // Others may be using the lock, so do not go on without it.
        throw StoreError(
            fmt::format("{}: its lock, which worked before, fails ({})", file_.path_.string(), std::strerror(errno)));
      }
      break;
  }
}

void StoreFile::SideLock::let_go() {
  if (::getpid() == owner_pid_) {
    if (held_ && !unlock_byte(file_.side_file_.number(), kSideByte)) closes_ = true;
    // A lock that cannot be released would keep all others out for as long as the file is open.
    if (closes_) file_.side_file_ = FileDescriptor();
  }
  held_ = closes_ = false;
}

/// Opens the side file, and reopens it if the name now refers to another file: processes that lock different files do
/// not exclude each other.
void StoreFile::open_side_file(std::string& why_not) {
  const std::filesystem::path side_name = std::filesystem::path(name_).replace_extension(".lock");
  struct stat opened, named;
  if (side_file_.valid() && ::fstat(side_file_.number(), &opened) == 0 && folder_->look_at(side_name, named) &&
      opened.st_dev == named.st_dev && opened.st_ino == named.st_ino) {
    return;
  }
  side_file_ = open_lock_file(*folder_, side_name, &why_not);
}

}  // namespace attnjit::cache
