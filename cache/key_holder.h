// Lets waiters for a key's lock see whether its holder is making progress or is stopped. Internal to cache/.
//
// A compile reports nothing until it is done and may take long on a busy machine, so progress is measured by the CPU
// time of the process that holds the lock: it stands still while the process is stopped, and no heartbeat thread is
// needed. The holder writes its process id into the lock file (an OFD lock names no process). A holder that is not
// visible from here, in another container or on another host, shows no progress. A holder in the waiting process itself
// always does: it cannot be stopped while one of its threads waits.
#pragma once

#include <cstdint>
#include <optional>

namespace attnjit::cache {

enum class Holder { kWorks, kWaits };

/// Records that this process holds the lock at `offset` of the file, and whether it is itself waiting for others.
void note_holder(int lock_file, std::uint64_t offset, Holder holder);

class HolderProgress {
 public:
  HolderProgress(int lock_file, std::uint64_t offset) : lock_file_(lock_file), offset_(offset) { (void)seen(); }
  /// Whether, since the last call or since construction, the holder used CPU time or changed. A holder that waits makes
  /// no progress, although polling takes CPU time too.
  bool seen();

 private:
  const int lock_file_;
  const std::uint64_t offset_;
  std::int32_t process_ = 0;
  std::optional<std::int64_t> cpu_nanoseconds_;
};

}  // namespace attnjit::cache
