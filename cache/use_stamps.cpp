#include "cache/use_stamps.h"

#include <cstdlib>
#include <utility>

namespace attnjit::cache {

bool UseStamps::add(const Entry& entry, std::int64_t now) {
  // A future stamp comes from a wrong clock: it counts as old, or its row would outlive all others.
  if (std::abs(now - entry.last_used_unix) < kStampStepSeconds) return false;
  const auto clock = std::chrono::steady_clock::now();
  const std::lock_guard guard(mutex_);
  if (uses_.empty()) oldest_ = clock;
  uses_[{entry.fields.key().hex(), entry.compiler}] = now;
  return clock - oldest_ >= kStampDelay;
}

UseStamps::Uses UseStamps::take() {
  const std::lock_guard guard(mutex_);
  return std::exchange(uses_, {});
}

bool UseStamps::empty() const {
  const std::lock_guard guard(mutex_);
  return uses_.empty();
}

void write_stamps(Database& database, const UseStamps::Uses& uses) {
  if (uses.empty()) return;
  // Other processes that started at the same time have written the same stamps: then nothing changes, and a transaction
  // that changes nothing writes nothing.
  Statement statement(database,
                      "UPDATE kernels SET last_used = ?5 WHERE key = ?1 AND compiler = ?2 AND compiler_major = ?3 AND "
                      "compiler_minor = ?4 AND abs(last_used - ?5) >= ?6");
  for (const auto& [row, used] : uses) {
    const auto& [key, compiler] = row;
    statement.bind(1, key)
        .bind(2, compiler.name)
        .bind(3, std::int64_t{compiler.major})
        .bind(4, std::int64_t{compiler.minor})
        .bind(5, used)
        .bind(6, kStampStepSeconds);
    statement.step();
    statement.reset();
  }
}

}  // namespace attnjit::cache
