// Hardens a connection so that it takes nothing but rows from its file. Internal to cache/.
#pragma once

#include <cstdint>

struct sqlite3;

namespace attnjit::cache {

/// The file's triggers and views do not run, its SQL cannot call functions with side effects, no other file can be
/// attached, the file is not mapped into memory (truncating it would kill the process), page cells are checked, and
/// text and blobs larger than any kernel are rejected. Call before the first statement.
void harden(sqlite3* connection);

/// Ends a statement that takes more steps than any of ours on any store. Only damage or a crafted file causes that, and
/// the locks are held meanwhile.
class StepLimit {
 public:
  /// A step is one instruction of SQLite's virtual machine; reading a row takes 50, checking one some hundred.
  static constexpr std::int64_t kSteps = 20'000'000;

  /// Must outlive the connection's last statement.
  void watch(sqlite3* connection, std::int64_t steps = kSteps);
  /// Call when a statement begins.
  void restart() { calls_ = 0; }

 private:
  static int count(void* self);
  std::int64_t calls_ = 0;
  std::int64_t most_ = 0;
};

}  // namespace attnjit::cache
