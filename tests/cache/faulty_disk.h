// A disk that fails SQLite at a chosen moment: an SQLite VFS in front of the real one, which counts every call that
// changes the disk and strikes at the n-th.
#pragma once

#include <functional>

namespace attnjit::cache {

enum class Strike {
  kFullOnce,      // the call fails because the disk is full, the next one succeeds
  kFullFromThen,  // and so do all later calls
  kDie,           // the process dies in the middle of the call, as by SIGKILL
  kStop,          // the process stops in the middle of the call until it is continued; then the call succeeds
};

class FaultyDisk {
 public:
  /// Makes this the disk of all connections opened from now on. It works like the real one until armed.
  static void install();
  /// Strikes at the n-th change from now on, 1 being the next.
  static void strike_at(int nth, Strike strike);
  /// Calls `then` after the n-th close of a file from now on, 1 being the next.
  static void after_close(int nth, std::function<void()> then);
  static void heal();
  /// Whether it has struck since it was armed.
  static bool struck();
  static constexpr int kExitStatus = 5;  // of a process that hit kDie
};

}  // namespace attnjit::cache
