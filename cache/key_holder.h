// Who holds the lock of a key, for those who wait for it: is that process getting on, or is it stopped? Internal to
// cache/.
//
// A compile says nothing until it is done, and may take long on a busy machine, so the CPU time of the process that
// holds the lock is what shows progress: it stands still while the process is stopped, and no thread is needed to beat
// like a heart. The holder writes its process id into the lock file (an OFD lock names no process). One that cannot be
// seen from here, since it runs in another container or on another host, shows no progress. A thread of the process
// that waits does: it is not stopped, or nobody would wait.
#pragma once

#include <cstdint>
#include <optional>

namespace attnjit::cache {

enum class Holder { kWorks, kWaits };

/// Writes that this process holds the lock at `offset` of the file, and whether it waits for others itself.
void note_holder(int lock_file, std::uint64_t offset, Holder holder);

class HolderProgress {
 public:
  HolderProgress(int lock_file, std::uint64_t offset) : lock_file_(lock_file), offset_(offset) { (void)seen(); }
  /// Since the last time this was asked, or since the beginning: the holder has computed, or there is another one. One
  /// that waits does not get on, though asking again and again takes CPU time as well.
  bool seen();

 private:
  const int lock_file_;
  const std::uint64_t offset_;
  std::int32_t process_ = 0;
  std::optional<std::int64_t> cpu_nanoseconds_;
};

}  // namespace attnjit::cache
