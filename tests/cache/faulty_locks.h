// A file system whose locks fail: fcntl() of this whole program, including SQLite, goes through here.
#pragma once

namespace attnjit::cache {

enum class Locks {
  kSound,
  kNoOfdLocks,  // open file description locks fail with ENOLCK, process locks work
  kNone,        // all fail with ENOLCK, as on a network file system without a lock server
};

void set_locks(Locks locks);
/// How many calls were refused since set_locks().
int locks_refused();

}  // namespace attnjit::cache
