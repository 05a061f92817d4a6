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

/// The attacked store, and what a strike holds until it is healed.
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
  /// kKeeps: every committed kernel is there all the time and afterwards. kHides: what was there before is there
  /// afterwards.
  enum class Kernels { kKeeps, kHides, kLoses } kernels;
  std::function<void(Scene&)> strike;
  /// Ends what the library need not repair by itself; empty: it repairs everything.
  std::function<void(Scene&)> heal = {};
  std::chrono::milliseconds lasts{400};  // minimum time from strike to heal
};

std::vector<Vandalism> vandalisms_of_files();
std::vector<Vandalism> vandalisms_of_journals_and_locks();
std::vector<Vandalism> vandalisms_by_sql();
/// All of them, in the order above.
const std::vector<Vandalism>& vandalisms();

}  // namespace attnjit::cache
