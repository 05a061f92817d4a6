// What is done to a store's files, by name, while processes use them.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace attnjit::cache {

/// The store that is struck, and what a strike holds until it is healed.
struct Scene {
  std::filesystem::path directory;
  std::minstd_rand random;
  std::shared_ptr<void> held = {};  // a lock, a connection

  std::filesystem::path store() const { return directory / "kernels-v1.sqlite"; }
  std::filesystem::path journal() const { return directory / "kernels-v1.sqlite-journal"; }
  std::filesystem::path side_lock() const { return directory / "kernels-v1.lock"; }
  std::filesystem::path key_lock() const { return directory / "compile.lock"; }
  std::filesystem::path away() const { return directory.parent_path() / "away"; }
};

struct Vandalism {
  const char* name;
  /// kKeeps: every kernel that was committed is there all the time and afterwards. kHides: what was there before is there
  /// afterwards.
  enum class Kernels { kKeeps, kHides, kLoses } kernels;
  std::function<void(Scene&)> strike;
  /// Puts an end to what the library is not to mend by itself; empty: it mends all.
  std::function<void(Scene&)> heal = {};
  std::chrono::milliseconds lasts{400};  // at least, from strike to heal
};

std::vector<Vandalism> vandalisms_of_files();
std::vector<Vandalism> vandalisms_of_journals_and_locks();
std::vector<Vandalism> vandalisms_by_sql();
/// All, in the order above.
const std::vector<Vandalism>& vandalisms();

}  // namespace attnjit::cache
