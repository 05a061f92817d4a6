// The SQLite file: one row per (key, compiler). Owns schema, transactions, checksums and repair.
//
// Rollback journal only; busy timeout before any PRAGMA; BEGIN IMMEDIATE for writes; our own checksum over the image;
// our own OFD lock on a side file around every transaction (a second SQLite in the process may drop the first one's
// POSIX locks). Thread-safe. After a fork the child reopens the file and never touches the inherited connection.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "cache/counters.h"
#include "cache/entry.h"
#include "cache/size_limit.h"
#include "cache/wait_budget.h"

namespace attnjit::cache {

/// Thrown by the store on any problem; KernelCache turns it into a warning, so users never see it.
class StoreError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  /// Another process holds a lock; retrying later may work.
  virtual bool means_busy() const { return false; }
};

class StoreBusy : public StoreError {
 public:
  using StoreError::StoreError;
  bool means_busy() const override { return true; }
};

/// Which compiler's row is wanted.
struct CompilerWish {
  std::optional<CompilerId> exactly = {};  // only this one
  /// Otherwise the newest compiler this accepts (empty: any). Called inside a transaction: it must not use the store.
  std::function<bool(const CompilerId&)> accepts = {};
  /// Why an entry is not what its key stands for although it was stored under it; empty if it is. Such a row is as bad
  /// as one with a wrong checksum. Called under the same conditions as `accepts`.
  std::function<std::string(const Entry&)> fault = {};
  bool admits(const CompilerId& compiler) const;
};

/// The outcome of looking up a row.
struct Lookup {
  std::optional<Entry> entry;
  /// Why the store could not be used; empty if it could. If there is an entry as well, it was read without locks.
  std::string trouble;
};

struct StoreStat {
  std::filesystem::path path;
  std::int64_t entries = 0;
  std::int64_t image_bytes = 0;
  std::int64_t file_bytes = 0;
  int schema = 0;
};

/// What Store::collect_garbage() did.
struct GarbageReport {
  std::int64_t unused_rows = 0;   // deleted because they were unused for too long
  std::int64_t evicted_rows = 0;  // deleted because the file was too large
  std::int64_t bytes_before = 0;  // of the file
  std::int64_t bytes_after = 0;
};

class Store {
 public:
  /// Version of the table layout; part of the file name, so versions coexist.
  static constexpr int kSchema = 1;
  static std::string file_name();  // "kernels-v1.sqlite"
  /// The file in a directory, with symbolic links in its path resolved. Throws StoreError if there is no such
  /// directory.
  static std::filesystem::path file_in(const std::filesystem::path& directory);

  /// Opens or creates the file in `directory` (which must exist). A file that is damaged or not a database is renamed
  /// aside together with its journal, under the lock, and replaced by a new one; `on_repair` is called. A file of a
  /// newer schema is left alone: StoreError. `on_repair` is called with no lock held, on whichever thread met the
  /// damage. A put() that makes the file larger than `max_bytes` (0: no limit) deletes the least recently used rows. A
  /// file locked by another process is opened by a later use.
  Store(std::filesystem::path directory, std::function<void(const std::string&)> on_repair = {},
        std::int64_t max_bytes = kDefaultMaxBytes, Patience patience = {});
  ~Store();  // writes the gathered use stamps if possible
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// The wanted row of a key. A row whose checksum or fields do not match is deleted (and reported through `on_repair`)
  /// and counts as absent.
  std::optional<Entry> find(const KeyFields& fields, const CompilerWish& wish);
  /// find() for a request that can do without the store: a row that cannot be had under the locks soon, or at all, is
  /// read without them (cache/unlocked_read.h). Waits no longer than the budget allows.
  Lookup look_up(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget);
  /// Inserts or replaces the row of (key, compiler) and enforces the size cap, in one transaction.
  void put(const Entry& entry);
  void put(const Entry& entry, WaitBudget& budget);
  /// Records the use of an entry returned by find(), for choosing evictions. Writes only rarely (see
  /// cache/use_stamps.h) and never throws: a stamp that cannot be written is lost.
  void note_use(const Entry& entry) noexcept;
  /// Writes what note_use() has gathered, if anything.
  void flush_uses() noexcept;
  /// Deletes the row of (key, compiler); false if there was none.
  bool erase(const Key& key, const CompilerId& compiler);
  /// All rows, newest first. with_images=false leaves `image` empty and checks nothing; with_images=true omits rows
  /// whose checksum or fields do not match.
  std::vector<Entry> list(bool with_images = false);
  /// Checks every row's checksum and fields and SQLite's own integrity; returns one line per fault.
  std::vector<std::string> verify();
  /// Deletes all rows; returns how many.
  std::int64_t clear();
  /// Deletes rows last used before `unused_since` (seconds since the epoch; empty: no age limit), then the least
  /// recently used ones until the file is within `max_bytes` (0: no limit), and returns free pages.
  GarbageReport collect_garbage(std::int64_t max_bytes, std::optional<std::int64_t> unused_since);
  StoreStat stat();
  /// Objects other than our table that the file held when it was opened, as "trigger NAME". They are never run, and are
  /// not damage.
  std::vector<std::string> foreign_objects() const;
  const StoreCounters& counters() const;
  const std::filesystem::path& path() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnjit::cache
