#include "cache/store_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>

#include "cache/damage.h"
#include "cache/row.h"
#include "cache/vfs.h"

namespace attnjit::cache {
namespace {

std::filesystem::path with_suffix(std::filesystem::path path, const char* suffix) { return path += suffix; }

StoreError system_error(const std::filesystem::path& path, const char* what) {
  return StoreError(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

/// Renames; if there is nothing to rename, deletes what an earlier time left at the target.
bool rename_or_clear(const HeldFolder& folder, const std::filesystem::path& from, const std::filesystem::path& to) {
  if (folder.rename(from, to)) return true;
  return errno == ENOENT && (folder.remove(to) || errno == ENOENT);
}

}  // namespace

StoreFile::Connection::Connection(const std::filesystem::path& path, WaitBudget* const& budget)
    : database(path, std::chrono::milliseconds(0)) {
  database.wait_by(budget);
}

void StoreFile::Connection::get_ready() {
  // FULL: a put costs a few syncs after a compile of 300 ms. With less, a power loss could leave changed pages on disk
  // without the journal that reverts them. EXTRA would keep the last put through a power loss, for 2 to 4 ms more per
  // put.
  database.execute("PRAGMA synchronous = FULL");
  find = std::make_unique<Statement>(database, select_by_key());
}

StoreFile::StoreFile(std::filesystem::path path, std::vector<std::string>& reports)
    : path_(std::move(path)), name_(path_.filename()), reports_(reports) {}

/// The folder is checked once it is held open, before anything in it is created or looked up.
void StoreFile::hold_folder() {
  if (!folder_ || !folder_->bears_its_name()) folder_.emplace(path_.parent_path());
}

bool StoreFile::has(const char* suffix) const { return folder_->has(with_suffix(name_, suffix)); }

// ---- recognizing the file ------------------------------------------------------------------------

StoreFile::Condition StoreFile::look(Depth depth) {
  connection_.reset();
  damage_.clear();
  struct stat status;
  if (!folder_->look_at(name_, status)) {
    if (errno == ENOENT) return Condition::kMissing;
    throw system_error(path_, "cannot be looked at");
  }
  if (!S_ISREG(status.st_mode)) {
    throw StoreError(fmt::format("{}: is not a regular file; remove it or choose another directory", path_.string()));
  }
  device_ = status.st_dev;
  inode_ = status.st_ino;
  // The log is not read: if its shared memory is not as SQLite left it, SQLite waits 10 s for that to change.
  if (status.st_size > 0 && has("-wal")) return Condition::kWriteAheadLog;
  try {
    auto fresh = std::make_unique<Connection>(path_, budget_);
    Database& database = fresh->database;
    database.execute("BEGIN");  // one round of locking for all queries; it costs more than they do
    const Condition condition = examine(database, depth);
    database.execute("COMMIT");
    if (condition == Condition::kSound || condition == Condition::kWriteAheadLog) {
      fresh->get_ready();
      connection_ = std::move(fresh);
    }
    return condition;
  } catch (const SqliteError& error) {
    if (!error.means_damage()) throw;
    damage_ = error.what();
    return Condition::kDamaged;
  }
}

StoreFile::Condition StoreFile::examine(Database& database, Depth depth) {
  const std::int64_t application = database.integer("PRAGMA application_id");
  const std::int64_t schema = database.integer("PRAGMA user_version");
  if (application == 0 && schema == 0 && database.integer("SELECT count(*) FROM sqlite_master") == 0) {
    return Condition::kBlank;
  }
  if (application != kApplicationId) {
    damage_ = fmt::format("it is an SQLite database of another program (application_id {:#x})", application);
    return Condition::kDamaged;
  }
  if (schema > Store::kSchema) {
    throw StoreError(
        fmt::format("{}: has schema {}, this version of the library knows {}; it is left alone. "
                    "Use a newer version or another directory",
                    path_.string(), schema, Store::kSchema));
  }
  if (schema != Store::kSchema ||
      database.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'kernels'") != kCreateTable) {
    damage_ = fmt::format("its table is not that of schema {}", Store::kSchema);
    return Condition::kDamaged;
  }
  if (depth == Depth::kWhole) {
    const std::string verdict = integrity_verdict(database);
    if (says_that_a_read_failed(verdict)) {
      throw StoreError(fmt::format("{}: cannot be read to its end ({}); it is left alone", path_.string(), verdict));
    }
    if (verdict != "ok") {
      damage_ = verdict;
      return Condition::kDamaged;
    }
  }
  foreign_ = foreign_objects(database);
  if (database.text("PRAGMA journal_mode") == "wal") return Condition::kWriteAheadLog;
  return Condition::kSound;
}

void StoreFile::make_ready(SideLock& lock, Depth depth) {
  if (look(depth) == Condition::kSound) return;
  lock.make_exclusive();
  Condition condition = look(depth);  // another process may have repaired it while we had no lock
  if (condition == Condition::kDamaged) {
    // Check again a moment later: if a lock or a failed read made a sound file look bad, that passes.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    condition = look(depth);
  }
  if (condition == Condition::kDamaged) {
    if (may_be_rolled_back(with_suffix(path_, "-journal"))) {
      throw StoreBusy(fmt::format("{}: a transaction that has not ended cannot be rolled back now", path_.string()));
    }
    set_aside();
    condition = Condition::kMissing;
  }
  if (condition == Condition::kBlank) {
    reports_.push_back(fmt::format("{}: was empty (somebody truncated it); a new one was started", path_.string()));
    initialise(path_);
  }
  if (condition == Condition::kMissing) create();
  std::string why_not;
  if (condition == Condition::kWriteAheadLog) why_not = leave_write_ahead_log();
  condition = look(condition == Condition::kWriteAheadLog ? depth : Depth::kHeader);
  if (condition == Condition::kWriteAheadLog) {
    connection_.reset();
    if (!why_not.empty()) throw StoreError(why_not);
    throw StoreBusy(
        fmt::format("{}: another program has switched it to a write-ahead log and keeps it open", path_.string()));
  }
  if (condition != Condition::kSound) {
    throw StoreError(
        fmt::format("{}: cannot be made usable{}{}", path_.string(), damage_.empty() ? "" : ": ", damage_));
  }
}

void StoreFile::repair(bool whole) {
  const SqliteStay stay;
  connection_.reset();
  SideLock lock(*this, LockMode::kExclusive);
  make_ready(lock, whole ? Depth::kWhole : Depth::kHeader);
}

// ---- changing the file ---------------------------------------------------------------------------

/// Renames the damaged file and its companions. One such file is kept for diagnosis; a later one replaces it, so they
/// do not pile up.
void StoreFile::set_aside() {
  struct stat status;
  if (!folder_->look_at(name_, status) || status.st_dev != device_ || status.st_ino != inode_) {
    // Only possible without locks: another process has replaced the file meanwhile.
    throw StoreError(fmt::format("{}: was replaced while it was being repaired", path_.string()));
  }
  const std::filesystem::path aside = with_suffix(name_, ".bad");
  // The companions go first: a journal left behind would be rolled back into the new file.
  for (const char* suffix : {"-journal", "-wal", "-shm"}) {
    if (!rename_or_clear(*folder_, with_suffix(name_, suffix), with_suffix(aside, suffix))) {
      throw system_error(with_suffix(path_, suffix), "cannot be renamed aside");
    }
  }
  if (!folder_->rename(name_, aside)) throw system_error(path_, "cannot be renamed aside");
  reports_.push_back(
      fmt::format("{}: damaged ({}); kept as {}, a new one was started", path_.string(), damage_, aside.string()));
}

/// Creates the file under another name and renames it when complete, so a process killed here only leaves a file that
/// the next one removes.
void StoreFile::create() const {
  const std::filesystem::path fresh = with_suffix(name_, ".new");
  if (!folder_->remove(fresh) && errno != ENOENT) throw system_error(with_suffix(path_, ".new"), "cannot be removed");
  // O_EXCL is required: closing a descriptor of a file that SQLite has open in this process would drop SQLite's locks,
  // so we never open one on an existing file.
  if (!folder_->create(fresh, O_RDWR).valid()) throw system_error(with_suffix(path_, ".new"), "cannot be created");
  initialise(with_suffix(path_, ".new"));
  // If the side lock does not work, another process may have been faster. Whichever file now has the name is checked,
  // whoever made it; a connection to a replaced file notices before its next transaction.
  if (!folder_->rename(fresh, name_) && errno != ENOENT) throw system_error(path_, "cannot be created");
}

void StoreFile::initialise(const std::filesystem::path& path) const {
  Connection fresh(path, budget_);
  Database& database = fresh.database;
  // No journal on disk: nobody reads the file before it is complete.
  database.execute("PRAGMA journal_mode = MEMORY");
  // Can only be set before the first table is created; lets clear() and the size cap return pages.
  database.execute("PRAGMA auto_vacuum = INCREMENTAL");
  database.execute("BEGIN IMMEDIATE");
  // Without our locks, another process may have been faster.
  if (database.integer("PRAGMA user_version") == 0) {
    database.execute(kCreateTable);
    database.execute(fmt::format("PRAGMA application_id = {}", kApplicationId));
    database.execute(fmt::format("PRAGMA user_version = {}", Store::kSchema));
  }
  database.execute("COMMIT");
}

/// Somebody switched the file to WAL by hand. WAL's shared memory does not work across hosts, so switch back, unless
/// another program has the file open: waiting for that could take forever. Readers then read without locks. Returns
/// what else prevents it.
std::string StoreFile::leave_write_ahead_log() {
  std::string why_not;
  connection_.reset();
  WaitBudget none(WaitBudget::Clock::duration::zero());
  WaitBudget* const outer = std::exchange(budget_, &none);
  try {
    Connection alone(path_, budget_);
    alone.database.execute("PRAGMA locking_mode = EXCLUSIVE");  // needs no shared memory, whatever its current state
    alone.database.execute("PRAGMA journal_mode = DELETE");
  } catch (const StoreError& error) {  // the caller checks again
    if (!error.means_busy()) why_not = error.what();
  }
  budget_ = outer;
  return why_not;
}

// ---- the limit of file sizes ---------------------------------------------------------------------

/// Writing beyond RLIMIT_FSIZE kills the process with SIGXFSZ, whose disposition and mask belong to the host. So
/// neither we nor SQLite write there. SQLite's journal may become slightly larger than the file.
void StoreFile::keep_within_file_size_limit(Access access) {
  constexpr std::int64_t kPageInJournal = 8;  // in addition to the page's bytes
  constexpr std::int64_t kSpare = 64 * 1024;  // the journal's headers; the shared memory of a write-ahead log
  struct rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur >= std::numeric_limits<std::int64_t>::max()) return;
  const auto bytes = static_cast<std::int64_t>(limit.rlim_cur);
  const auto refuse = [&] {
    throw StoreError(fmt::format("{}: the limit of file sizes ({} bytes, ulimit -f) is too small to write it; raise it",
                                 path_.string(), bytes));
  };
  if (access == Access::kRead) {
    // What a reader may have to write: a new file, or pages restored from a journal.
    struct stat status;
    const std::int64_t size = folder_->look_at(name_, status) ? status.st_size : 0;
    const bool writes = size == 0 || has("-journal") || has("-wal");
    if (writes && std::max(size, kSpare) > bytes - kSpare) refuse();
    return;
  }
  const std::int64_t page = database().integer("PRAGMA page_size");
  const std::int64_t pages = (bytes - kSpare) / (page + kPageInJournal);
  if (bytes < 2 * kSpare || database().integer("PRAGMA page_count") > pages) refuse();
  database().execute(fmt::format("PRAGMA max_page_count = {}", pages));
}

// ---- transactions --------------------------------------------------------------------------------

Transaction::Transaction(StoreFile& file, Access access)
    : file_(file), lock_(file, access == Access::kRead ? LockMode::kShared : LockMode::kExclusive) {
  file.keep_within_file_size_limit(Access::kRead);
  // A journal that exists while we hold the lock was left by a process that died. Rolling it back writes.
  if (file.has("-journal")) lock_.make_exclusive();
  // The log exists while any connection in WAL mode does, even ours, which follows when another program switches modes.
  if (!file.connection_ || file.database().moved() || file.has("-wal")) {
    file.make_ready(lock_, StoreFile::Depth::kHeader);
  }
  file.database().execute(access == Access::kRead ? "BEGIN" : "BEGIN IMMEDIATE");
  if (access == Access::kRead) return;
  try {
    file.keep_within_file_size_limit(access);
    if (file.foreign_.empty()) return;
    for (const std::string& line : drop_foreign_indexes(file.database())) {
      file.reports_.push_back(fmt::format("{}: {}", file.path_.string(), line));
    }
    file.foreign_ = foreign_objects(file.database());
  } catch (...) {
    file.database().execute("ROLLBACK");  // a constructor that throws runs no destructor
    throw;
  }
}

Transaction::~Transaction() {
  if (!file_.connection_ || !file_.database().in_transaction()) return;
  try {
    file_.database().execute("ROLLBACK");
  } catch (const SqliteError&) {
    // The original error is already propagating. A connection that cannot roll back is dropped; the next one finds the
    // journal and rolls it back.
    file_.connection_.reset();
  }
}

void Transaction::commit() {
  file_.database().execute("COMMIT");
  if (const std::string remark = take_vfs_remark(); !remark.empty()) {
    file_.reports_.push_back(fmt::format("{}: {}", file_.path_.string(), remark));
  }
}

}  // namespace attnjit::cache
