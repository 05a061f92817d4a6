#include "cache/ofd_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include "cache/folder_trust.h"
#include "cache/store.h"

namespace attnjit::cache {
namespace {

static_assert(sizeof(off_t) == 8, "key locks use offsets beyond 2^31: build with -D_FILE_OFFSET_BITS=64");

struct flock byte_at(std::uint64_t offset, short type) {
  struct flock range = {};  // l_pid must be 0 for OFD locks
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(offset);
  range.l_len = 1;
  return range;
}

/// One attempt: returns 0 or fcntl's errno.
int try_lock(int descriptor, LockMode mode, std::uint64_t offset) {
  struct flock range = byte_at(offset, mode == LockMode::kShared ? F_RDLCK : F_WRLCK);
  while (::fcntl(descriptor, F_OFD_SETLK, &range) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) process::close_if_own(number_, owner_);
}

namespace {

FileDescriptor open_unwatched(const HeldFolder& folder, const std::filesystem::path& name, std::string* why_not) {
  constexpr int kFlags = O_NOCTTY | O_NONBLOCK;
  FileDescriptor opened = folder.open(name, O_RDWR | kFlags);
  if (!opened.valid() && errno == ENOENT) {
    opened = folder.create(name, O_RDWR | kFlags);
    if (!opened.valid() && errno == EEXIST) opened = folder.open(name, O_RDWR | kFlags);  // lost a race
  }
  if (!opened.valid()) opened = folder.open(name, O_RDONLY | kFlags);
  std::optional<std::string> refusal;
  if (!opened.valid()) {
    refusal = fmt::format("cannot be opened: {}", std::strerror(errno));
  } else {
    refusal = folder.why_no_trust_in(opened.number());
  }
  if (!refusal) return opened;
  if (why_not) *why_not = std::move(*refusal);
  return {};
}

}  // namespace

FileDescriptor open_lock_file(const HeldFolder& folder, const std::filesystem::path& name, std::string* why_not) {
  for (;;) {
    const std::uint64_t forks = process::forks_begun();
    FileDescriptor opened = open_unwatched(folder, name, why_not);
    if (!opened.valid()) return opened;
    process::close_in_children(opened.number());
    // A child forked between these lines shares this descriptor's locks: open another one, which the child does not
    // have.
    if (process::forks_begun() == forks) return opened;
  }
}

FileDescriptor open_lock_file(const std::filesystem::path& path, std::string* why_not) {
  try {
    const HeldFolder folder(path.has_parent_path() ? path.parent_path() : ".");
    return open_lock_file(folder, path.filename(), why_not);
  } catch (const StoreError& error) {
    if (why_not) *why_not = error.what();
    return {};
  }
}

LockResult lock_byte(int descriptor, LockMode mode, std::uint64_t offset, std::chrono::milliseconds timeout, Pace pace,
                     bool* waited) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  auto pause = pace.first;
  if (waited) *waited = false;
  for (;;) {
    const int error = try_lock(descriptor, mode, offset);
    if (error == 0) return LockResult::kHeld;
    // Waiting helps only if somebody holds the lock, not with any other error (ENOLCK, EINVAL, ENOSYS, EBADF, ...).
    if (error != EAGAIN && error != EACCES) return LockResult::kUnavailable;
    if (waited) *waited = true;
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) return LockResult::kTimedOut;
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(pause, deadline - now));
    pause = std::min(2 * pause, pace.longest);
  }
}

bool unlock_byte(int descriptor, std::uint64_t offset) {
  struct flock range = byte_at(offset, F_UNLCK);
  while (::fcntl(descriptor, F_OFD_SETLK, &range) != 0) {
    if (errno != EINTR) return false;
  }
  return true;
}

bool process_locks_fail(int descriptor) {
  struct flock range = byte_at(0, F_RDLCK);
  if (::fcntl(descriptor, F_SETLK, &range) != 0) return errno != EAGAIN && errno != EACCES && errno != EINTR;
  range.l_type = F_UNLCK;
  (void)::fcntl(descriptor, F_SETLK, &range);
  return false;
}

}  // namespace attnjit::cache
