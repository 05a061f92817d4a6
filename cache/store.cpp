#include "cache/store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <mutex>
#include <system_error>
#include <utility>

#include "cache/eviction.h"
#include "cache/per_process.h"
#include "cache/row.h"
#include "cache/store_file.h"
#include "cache/use_stamps.h"

namespace attnjit::cache {
namespace {

std::filesystem::path file_in(const std::filesystem::path& directory) {
  std::error_code error;
  // SQLite is told to refuse symbolic links, and would also refuse one in the way to the directory.
  const std::filesystem::path real = std::filesystem::canonical(directory, error);
  if (error) {
    throw StoreError(fmt::format("{}: is no directory to keep kernels in: {}", directory.string(), error.message()));
  }
  return real / Store::file_name();
}

/// What one process has of the store.
struct Session {
  std::mutex mutex;
  std::vector<std::string> reports;
  StoreFile file;
  UseStamps uses;  // has its own mutex

  explicit Session(const std::filesystem::path& path) : file(path, reports) {}
};

/// A prepared statement that is kept must be reset before its transaction can end.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

constexpr char kOfKeyAndCompiler[] =
    " WHERE key = ?1 AND compiler = ?2 AND compiler_major = ?3 AND compiler_minor = ?4";

void bind_key_and_compiler(Statement& statement, const std::string& key, const CompilerId& compiler) {
  statement.bind(1, key)
      .bind(2, compiler.name)
      .bind(3, std::int64_t{compiler.major})
      .bind(4, std::int64_t{compiler.minor});
}

bool erase_row(Database& database, const std::string& key, const CompilerId& compiler) {
  Statement statement(database, std::string("DELETE FROM kernels") + kOfKeyAndCompiler);
  bind_key_and_compiler(statement, key, compiler);
  statement.step();
  return database.changes() > 0;
}

/// A row that was found but cannot be used.
struct BadRow {
  std::string key;
  CompilerId compiler;
  std::string name;
  std::string fault;
};

/// Looks again, now with the right to write, and deletes the row unless it has been replaced meanwhile.
void erase_if_bad(Database& database, const BadRow& bad) {
  Row row;
  {
    Statement statement(database, select_rows(true) + kOfKeyAndCompiler);
    bind_key_and_compiler(statement, bad.key, bad.compiler);
    if (!statement.step()) return;
    row = read_row(statement);
  }
  if (!fault_of(row).empty()) erase_row(database, bad.key, bad.compiler);
}

}  // namespace

bool CompilerWish::admits(const CompilerId& compiler) const {
  if (exactly) return compiler == *exactly;
  return !accepts || accepts(compiler);
}

struct Store::Impl {
  std::filesystem::path path;
  std::function<void(const std::string&)> on_repair;
  std::int64_t max_bytes;
  StoreCounters counters;
  PerProcess<Session> sessions;

  Impl(std::filesystem::path file, std::function<void(const std::string&)> told, std::int64_t limit)
      : path(std::move(file)),
        on_repair(std::move(told)),
        max_bytes(limit),
        sessions([this] { return std::make_unique<Session>(path); }) {}

  enum class OnDamage { kRepair, kThrow };

  /// Runs body(file) in a transaction. If the file proves damaged, it is replaced and the body
  /// runs once more, on what is there then.
  template <class Body>
  auto transact(Access access, const Body& body, OnDamage on_damage = OnDamage::kRepair) {
    SqliteStay::check();  // before anything is waited for
    Session& session = sessions.get();
    const Reporter reporter{*this, session};  // before the lock: its destructor runs after the unlock
    const std::lock_guard guard(session.mutex);
    try {
      return attempt(session, access, body);
    } catch (const SqliteError& error) {
      if (on_damage == OnDamage::kThrow || !error.calls_for_a_look()) throw;
    }
    session.file.repair();
    return attempt(session, access, body);
  }

  std::optional<Entry> find(const KeyFields& fields, const CompilerWish& wish, std::vector<BadRow>& bad);

 private:
  template <class Body>
  static auto attempt(Session& session, Access access, const Body& body) {
    Transaction transaction(session.file, access);
    auto result = body(session.file);
    transaction.commit();
    return result;
  }

  /// Hands on what was repaired, with no lock held.
  struct Reporter {
    Impl& store;
    Session& session;
    ~Reporter() {
      std::vector<std::string> reports;
      {
        const std::lock_guard guard(session.mutex);
        reports.swap(session.reports);
      }
      store.counters.bad_files += static_cast<std::int64_t>(reports.size());
      if (!store.on_repair) return;
      for (const std::string& report : reports) store.on_repair(report);
    }
  };
};

std::optional<Entry> Store::Impl::find(const KeyFields& fields, const CompilerWish& wish, std::vector<BadRow>& bad) {
  const std::string key = fields.key().hex();
  return transact(Access::kRead, [&](StoreFile& file) -> std::optional<Entry> {
    bad.clear();
    Statement& statement = file.find_statement();
    const ResetAtEnd reset(statement);
    statement.bind(1, key);
    while (statement.step()) {
      if (!wish.admits(read_compiler(statement))) continue;
      Row row = read_row(statement);
      std::string fault = fault_of(row);  // also whether its fields make the key that was asked for
      if (fault.empty()) return std::move(row.entry);
      bad.push_back({row.key, row.entry.compiler, name_of(row), std::move(fault)});
    }
    return std::nullopt;
  });
}

std::string Store::file_name() { return fmt::format("kernels-v{}.sqlite", kSchema); }

Store::Store(std::filesystem::path directory, std::function<void(const std::string&)> on_repair, std::int64_t max_bytes)
    : impl_(std::make_unique<Impl>(file_in(directory), std::move(on_repair), max_bytes)) {
  impl_->transact(Access::kRead, [](StoreFile&) { return true; });
}

Store::~Store() { flush_uses(); }

std::optional<Entry> Store::find(const KeyFields& fields, const CompilerWish& wish) {
  std::vector<BadRow> bad;
  std::optional<Entry> entry = impl_->find(fields, wish, bad);
  for (const BadRow& row : bad) {
    ++impl_->counters.bad_rows;
    std::string outcome = "deleted";
    try {
      impl_->transact(Access::kWrite, [&](StoreFile& file) {
        erase_if_bad(file.database(), row);
        return true;
      });
    } catch (const StoreError& error) {
      outcome = fmt::format("not used, but cannot be deleted ({})", error.what());
    }
    if (impl_->on_repair) {
      impl_->on_repair(fmt::format("{}: bad row {}: {}; {}", path().string(), row.name, row.fault, outcome));
    }
  }
  return entry;
}

void Store::put(const Entry& entry) {
  Entry dated = entry;
  if (dated.created_unix == 0) dated.created_unix = static_cast<std::int64_t>(std::time(nullptr));
  const Row row = make_row(std::move(dated));
  const UseStamps::Uses uses = impl_->sessions.get().uses.take();
  impl_->counters.evicted_rows += impl_->transact(Access::kWrite, [&](StoreFile& file) {
    Database& database = file.database();
    {
      Statement statement(database, insert_row());
      bind_row(statement, row);
      statement.step();
    }
    const std::int64_t inserted = database.last_insert_rowid();
    write_stamps(database, uses);  // before anything is chosen by them
    return evict_above(database, impl_->max_bytes, inserted);
  });
}

void Store::note_use(const Entry& entry) noexcept {
  try {
    if (impl_->sessions.get().uses.add(entry, static_cast<std::int64_t>(std::time(nullptr)))) flush_uses();
  } catch (const std::exception&) {  // no memory for a stamp
  }
}

void Store::flush_uses() noexcept {
  try {
    UseStamps& stamps = impl_->sessions.get().uses;
    // A file that somebody has deleted is not made anew for the sake of stamps on rows that it no longer has.
    if (stamps.empty() || !std::filesystem::exists(path())) return;
    const UseStamps::Uses uses = stamps.take();
    impl_->transact(
        Access::kWrite,
        [&](StoreFile& file) {
          write_stamps(file.database(), uses);
          return true;
        },
        Impl::OnDamage::kThrow);
  } catch (const std::exception&) {
    // The store cannot be written (read-only, full, busy, damaged): whoever reads or writes rows meets and tells that;
    // stamps only decide what is deleted first.
  }
}

bool Store::erase(const Key& key, const CompilerId& compiler) {
  return impl_->transact(Access::kWrite,
                         [&](StoreFile& file) { return erase_row(file.database(), key.hex(), compiler); });
}

std::vector<Entry> Store::list(bool with_images) {
  return impl_->transact(Access::kRead, [&](StoreFile& file) {
    std::vector<Entry> entries;
    Statement statement(file.database(), select_rows(with_images) + " ORDER BY created DESC, rowid DESC");
    while (statement.step()) {
      Row row = read_row(statement);
      if (with_images && !fault_of(row).empty()) continue;
      entries.push_back(std::move(row.entry));
    }
    return entries;
  });
}

std::vector<std::string> Store::verify() {
  std::vector<std::string> faults;
  try {
    impl_->transact(
        Access::kRead,
        [&](StoreFile& file) {
          {
            Statement statement(file.database(), select_rows(true));
            while (statement.step()) {
              const Row row = read_row(statement);
              const std::string fault = fault_of(row);
              if (!fault.empty()) faults.push_back(fmt::format("{}: {}", name_of(row), fault));
            }
          }
          Statement check(file.database(), "PRAGMA integrity_check");
          while (check.step()) {
            if (const std::string line = check.text(0); line != "ok") faults.push_back(line);
          }
          return true;
        },
        Impl::OnDamage::kThrow);
  } catch (const SqliteError& error) {
    if (!error.means_damage()) throw;
    faults.push_back(error.what());
  }
  return faults;
}

std::int64_t Store::clear() {
  return impl_->transact(Access::kWrite, [](StoreFile& file) {
    Database& database = file.database();
    database.execute("DELETE FROM kernels");
    const std::int64_t deleted = database.changes();
    give_back_free_pages(database);
    return deleted;
  });
}

GarbageReport Store::collect_garbage(std::int64_t max_bytes, std::optional<std::int64_t> unused_since) {
  const GarbageReport report = impl_->transact(Access::kWrite, [&](StoreFile& file) {
    Database& database = file.database();
    GarbageReport result;
    result.bytes_before = file_bytes(database);
    if (unused_since) result.unused_rows = evict_unused_since(database, *unused_since);
    give_back_free_pages(database);
    result.evicted_rows = evict_above(database, max_bytes, /*keep_rowid=*/0);
    result.bytes_after = file_bytes(database);
    return result;
  });
  impl_->counters.evicted_rows += report.evicted_rows;
  return report;
}

StoreStat Store::stat() {
  StoreStat result = impl_->transact(Access::kRead, [](StoreFile& file) {
    StoreStat counted;
    Statement statement(file.database(), "SELECT count(*), coalesce(sum(image_bytes), 0) FROM kernels");
    statement.step();
    counted.entries = statement.integer(0);
    counted.image_bytes = statement.integer(1);
    return counted;
  });
  result.path = path();
  result.schema = kSchema;
  struct stat status;
  if (::stat(path().c_str(), &status) == 0) result.file_bytes = status.st_size;
  return result;
}

const StoreCounters& Store::counters() const { return impl_->counters; }
const std::filesystem::path& Store::path() const { return impl_->path; }

}  // namespace attnjit::cache
