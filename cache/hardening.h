// How a connection is told to take from its file nothing but rows. Internal to cache/.
#pragma once

#include <cstdint>

struct sqlite3;

namespace attnjit::cache {

/// No trigger and no view of the file runs, nothing of it calls a function with side effects, no other file is
/// attached, none is mapped into memory (a file that is cut short would kill the process), cells of pages are checked,
/// and no text or blob may be larger than any kernel. Before the first statement.
void harden(sqlite3* connection);

/// Ends a statement that takes more steps than any of ours on any store: only damage, or a file made for the purpose,
/// does that, and the locks are held meanwhile.
class StepLimit {
 public:
  /// A step is an instruction of SQLite's virtual machine; 50 of them read a row, some hundred check one.
  static constexpr std::int64_t kSteps = 20'000'000;

  /// Must outlive the connection's last statement.
  void watch(sqlite3* connection, std::int64_t steps = kSteps);
  /// A statement begins.
  void restart() { calls_ = 0; }

 private:
  static int count(void* self);
  std::int64_t calls_ = 0;
  std::int64_t most_ = 0;
};

}  // namespace attnjit::cache
