#include "cache/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "cache/vfs.h"
#include "process/fork.h"

namespace attnjit::cache {
namespace {

/// Adds the reason for a failed call, which SQLite's own message lacks.
std::string with_reason(std::string message, sqlite3* handle, int code) {
  if (const std::string remark = take_vfs_remark(); !remark.empty()) return message + "; " + remark;
  const bool of_a_call = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  const int reason = handle && of_a_call ? sqlite3_system_errno(handle) : 0;
  if (reason != 0) message += fmt::format(": {}", std::strerror(reason));
  if (reason == EMFILE) message += " (ulimit -n)";
  return message;
}

[[noreturn]] void fail(sqlite3* handle, int code, std::string_view doing) {
  const char* file = handle ? sqlite3_db_filename(handle, "main") : nullptr;
  std::string message = with_reason(handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code), handle, code);
  if ((code & 0xff) == SQLITE_INTERRUPT) message += ": a statement that ends on every sound file did not end";
  throw SqliteError(code, fmt::format("{}: {} (SQLite {} code {}, while: {})", file ? shown_path(file) : "kernel cache",
                                      message, sqlite3_libversion(), code, doing));
}

/// The folder of a file; an in-memory database has none.
std::optional<HeldFolder> folder_of(const std::filesystem::path& path) {
  if (path == ":memory:") return std::nullopt;
  return HeldFolder(path.has_parent_path() ? path.parent_path() : ".");
}

constinit process::Occupancy inside_sqlite;

/// The path as a URI that makes SQLite open it without locks.
std::string uri_without_locks(const std::filesystem::path& path) {
  std::string uri = "file:";
  for (const char letter : path.string()) {
    const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') ||
                       std::string_view("/._-").find(letter) != std::string_view::npos;
    uri += plain ? std::string(1, letter) : fmt::format("%{:02X}", static_cast<unsigned char>(letter));
  }
  return uri + "?immutable=1";
}

int wait_for_lock(void* budget, int tries) { return (*static_cast<WaitBudget* const*>(budget))->pause(tries); }

}  // namespace

SqliteStay::SqliteStay() {
  if (!inside_sqlite.enter()) {
    throw StoreError(
        "this process was forked while another thread was using SQLite, so it must do without: fork while no thread "
        "makes "
        "or destroys Contexts and operators, or start another program (exec)");
  }
}

SqliteStay::~SqliteStay() { inside_sqlite.leave(); }

bool SqliteError::means_damage() const {
  const int primary = code_ & 0xff;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FORMAT;
}

bool SqliteError::means_busy() const { return (code_ & 0xff) == SQLITE_BUSY; }

bool SqliteError::calls_for_a_look() const {
  // SQLITE_ERROR means "no such table" here: our own statements are correct.
  return means_damage() || (code_ & 0xff) == SQLITE_ERROR || code_ == SQLITE_READONLY_DBMOVED;
}

Database::Database(const std::filesystem::path& path, std::chrono::milliseconds busy_timeout, Locks locks)
    : folder_(folder_of(path)) {
  const std::filesystem::path held = folder_ ? folder_->path_of(path.filename()) : path;
  take_vfs_remark();
  // No SQLITE_OPEN_CREATE: SQLite would create with mode 0644. NOMUTEX: the owner serializes use.
  constexpr int kFlags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
  const int code = locks == Locks::kTaken
                       ? sqlite3_open_v2(held.c_str(), &handle_, kFlags | SQLITE_OPEN_READWRITE, store_vfs())
                       : sqlite3_open_v2(uri_without_locks(held).c_str(), &handle_,
                                         kFlags | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, store_vfs());
  if (code != SQLITE_OK) {
    const int extended = handle_ ? sqlite3_extended_errcode(handle_) : code;
    const std::string message =
        with_reason(fmt::format("{}: cannot be opened: {} (SQLite code {})", path.string(),
                                handle_ ? sqlite3_errmsg(handle_) : sqlite3_errstr(code), extended),
                    handle_, code);
    sqlite3_close(handle_);  // even a failed open leaves a handle
    throw SqliteError(extended, message);
  }
  // Before any statement: even the first PRAGMA may meet a lock.
  sqlite3_busy_timeout(handle_, static_cast<int>(busy_timeout.count()));
  harden(handle_);
  steps_.watch(handle_);
}

Database::~Database() {
  const process::Stay stay(inside_sqlite);
  if (stay.entered()) sqlite3_close(handle_);  // otherwise a lock of SQLite's may be held forever
}

void Database::wait_by(WaitBudget* const& budget) {
  sqlite3_busy_handler(handle_, wait_for_lock, const_cast<WaitBudget**>(&budget));
}

void Database::execute(const std::string& sql) {
  steps_.restart();
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(handle_, code, sql);
}

std::int64_t Database::integer(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Database::text(const std::string& sql) {
  Statement statement(*this, sql);
  return statement.step() ? statement.text(0) : std::string();
}

bool Database::moved() const {
  if (folder_ && !folder_->bears_its_name()) return true;
  int moved = 0;
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return moved != 0;
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

std::int64_t Database::changes() const { return sqlite3_changes(handle_); }

std::int64_t Database::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }

Statement::Statement(Database& database, const std::string& sql) : database_(database) {
  database_.statement_begins();
  const int code =
      sqlite3_prepare_v2(database.handle(), sql.c_str(), static_cast<int>(sql.size()) + 1, &handle_, nullptr);
  if (code != SQLITE_OK) fail(database.handle(), code, sql);
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int index, std::string_view text) {
  // SQLite reads a null pointer as NULL, and an empty view may have one.
  const int code =
      sqlite3_bind_text64(handle_, index, text.data() ? text.data() : "", text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (code != SQLITE_OK) fail(database_.handle(), code, sqlite3_sql(handle_));
  return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
  const int code = sqlite3_bind_int64(handle_, index, value);
  if (code != SQLITE_OK) fail(database_.handle(), code, sqlite3_sql(handle_));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  const int code = sqlite3_bind_double(handle_, index, value);
  if (code != SQLITE_OK) fail(database_.handle(), code, sqlite3_sql(handle_));
  return *this;
}

Statement& Statement::bind(int index, std::span<const unsigned char> blob) {
  const void* data = blob.data() ? static_cast<const void*>(blob.data()) : "";
  const int code = sqlite3_bind_blob64(handle_, index, data, blob.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) fail(database_.handle(), code, sqlite3_sql(handle_));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  fail(database_.handle(), code, sqlite3_sql(handle_));
}

void Statement::reset() {
  database_.statement_begins();
  sqlite3_reset(handle_);  // repeats the last step's error, which was already thrown
  sqlite3_clear_bindings(handle_);
}

std::string Statement::text(int column) const {
  const unsigned char* data = sqlite3_column_text(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  return data ? std::string(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)) : std::string();
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }

std::span<const unsigned char> Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  return {static_cast<const unsigned char*>(data), data ? static_cast<std::size_t>(size) : 0};
}

}  // namespace attnjit::cache
