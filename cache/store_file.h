// The file below the store: opening, creating, recognising and replacing it, and transactions on it.
// Internal to cache/; knows the table, not what is done with it. Not thread-safe: the store's mutex is held
// by the caller.
//
// Every transaction holds two locks. SQLite's own (POSIX) locks guard against any SQLite, but vanish as soon
// as a second copy of SQLite in this process closes the same file. Ours is an OFD lock on a side file, which
// nothing but an unlock drops; it also makes "look, then rename aside" safe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/folder_trust.h"
#include "cache/foreign_objects.h"
#include "cache/ofd_lock.h"
#include "cache/sqlite.h"
#include "cache/wait_budget.h"

namespace attnjit::cache {

enum class Access { kRead, kWrite };

class StoreFile {
 public:
  /// `path` is free of symbolic links. What is repaired is told by appending to `reports`, because a callback
  /// must not run under the locks.
  StoreFile(std::filesystem::path path, std::vector<std::string>& reports);

  Database& database() { return connection_->database; }
  /// SELECT of all columns by key, newest compiler first; kept prepared because it is most of what is done.
  Statement& find_statement() { return *connection_->find; }

  /// As they were when the file was opened.
  const std::vector<ForeignObject>& foreign() const { return foreign_; }
  /// Whose patience the following transactions and repairs use up; it must outlive them.
  void wait_by(WaitBudget& budget) { budget_ = &budget; }
  /// Looks at the file, after an error that calls for it, and replaces it if it is damaged. All of it takes seconds
  /// where it is large.
  void repair(bool whole);

 private:
  friend class Transaction;

  struct Connection {
    Database database;
    std::unique_ptr<Statement> find;
    Connection(const std::filesystem::path& path, WaitBudget* const& budget);
    void get_ready();  // once the table is known to be there
  };

  /// The side lock, held for one transaction or one repair.
  class SideLock {
   public:
    SideLock(StoreFile& file, LockMode mode);
    ~SideLock() { let_go(); }
    SideLock(const SideLock&) = delete;
    SideLock& operator=(const SideLock&) = delete;
    /// Lets go in between: what was seen before has to be looked at again.
    void make_exclusive();

   private:
    void take(LockMode mode);
    void let_go();
    StoreFile& file_;
    LockMode mode_;
    bool held_ = false;
    bool closes_ = false;  // the side file: it could not be unlocked
    long owner_pid_ = 0;
  };

  enum class Condition { kSound, kMissing, kBlank, kWriteAheadLog, kDamaged };
  enum class Depth { kHeader, kWhole };

  /// Looks at the file that bears the name now; sets `damage_` for kDamaged. Throws StoreError for what is
  /// neither usable nor damaged: a newer schema, no permission, busy.
  Condition look(Depth depth);
  Condition examine(Database& database, Depth depth);
  /// Leaves an open connection to a sound file, whatever has to be done for it.
  void make_ready(SideLock& lock, Depth depth);
  void set_aside();
  void create() const;
  void initialise(const std::filesystem::path& path) const;
  std::string leave_write_ahead_log();
  void hold_folder();
  void open_side_file(std::string& why_not);
  bool has(const char* suffix) const;  // a file that is named for the database
  void keep_within_file_size_limit(Access access);

  std::filesystem::path path_;  // for messages, and for SQLite
  std::filesystem::path name_;
  std::optional<HeldFolder> folder_;
  std::vector<std::string>& reports_;
  std::string damage_;
  dev_t device_ = 0;  // identity of the file that was looked at
  ino_t inode_ = 0;
  std::vector<ForeignObject> foreign_;
  std::unique_ptr<Connection> connection_;
  FileDescriptor side_file_;
  bool locks_work_ = false;  // has held the side lock
  WaitBudget* budget_ = nullptr;
};

/// One transaction: side lock, sound file, BEGIN; rolled back unless committed.
class Transaction {
 public:
  Transaction(StoreFile& file, Access access);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  StoreFile& file_;
  StoreFile::SideLock lock_;
  SqliteStay stay_;  // after the lock, so that waiting for it does not count
};

}  // namespace attnjit::cache
