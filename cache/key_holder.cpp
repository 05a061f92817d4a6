#include "cache/key_holder.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <ctime>

namespace attnjit::cache {
namespace {

/// Keys share slots. If two holders share one, the later one is visible; whoever waits for the other sees no progress.
constexpr std::uint64_t kSlots = 256;

struct Note {
  std::int32_t process = 0;
  std::uint32_t which = 0;              // lowest bit: the holder waits for the store; the other bits identify the key
  std::uint64_t process_namespace = 0;  // process ids are only comparable within one namespace
};

std::uint32_t which_of(std::uint64_t offset, Holder holder) {
  const std::uint64_t mixed = offset * 0x9e3779b97f4a7c15;  // mixes all bits of it
  return static_cast<std::uint32_t>(mixed >> 33 << 1) | (holder == Holder::kWaits ? 1 : 0);
}

off_t place_of(std::uint64_t offset) { return static_cast<off_t>(offset % kSlots * sizeof(Note)); }

/// 0 if unknown.
std::uint64_t own_namespace() {
  struct stat status;
  return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

std::optional<std::int64_t> cpu_time_of(pid_t process) {
  clockid_t clock;
  struct timespec time;
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return std::nullopt;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

void note_holder(int lock_file, std::uint64_t offset, Holder holder) {
  struct rlimit limit;
  // Writing beyond the file size limit would kill the process with SIGXFSZ.
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < kSlots * sizeof(Note)) return;
  Note note;
  note.process = ::getpid();
  note.which = which_of(offset, holder);
  note.process_namespace = own_namespace();
  if (note.process_namespace == 0) return;
  // If it cannot be written, say on a full disk, nobody sees progress.
  [[maybe_unused]] const ssize_t written = ::pwrite(lock_file, &note, sizeof note, place_of(offset));
}

bool HolderProgress::seen() {
  Note note;
  if (::pread(lock_file_, &note, sizeof note, place_of(offset_)) != static_cast<ssize_t>(sizeof note) ||
      note.process <= 0 || note.process_namespace != own_namespace() ||
      note.which != which_of(offset_, Holder::kWorks)) {
    return false;
  }
  // A thread of another Context holds it. This process is not stopped, since it is asking.
  if (note.process == ::getpid()) return true;
  const std::optional<std::int64_t> now = cpu_time_of(note.process);
  const bool another = note.process != process_;
  const bool computed = now && cpu_nanoseconds_ && *now > *cpu_nanoseconds_;
  process_ = note.process;
  cpu_nanoseconds_ = now;
  return now && (another || computed);
}

}  // namespace attnjit::cache
