#include "cache/store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <mutex>
#include <system_error>
#include <utility>

#include "cache/per_process.h"
#include "cache/row.h"
#include "cache/store_file.h"

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
  PerProcess<Session> sessions;

  Impl(std::filesystem::path file, std::function<void(const std::string&)> told)
      : path(std::move(file)),
        on_repair(std::move(told)),
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

Store::Store(std::filesystem::path directory, std::function<void(const std::string&)> on_repair)
    : impl_(std::make_unique<Impl>(file_in(directory), std::move(on_repair))) {
  impl_->transact(Access::kRead, [](StoreFile&) { return true; });
}

Store::~Store() = default;

std::optional<Entry> Store::find(const KeyFields& fields, const CompilerWish& wish) {
  std::vector<BadRow> bad;
  std::optional<Entry> entry = impl_->find(fields, wish, bad);
  for (const BadRow& row : bad) {
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
  impl_->transact(Access::kWrite, [&](StoreFile& file) {
    Statement statement(file.database(), insert_row());
    bind_row(statement, row);
    return statement.step();
  });
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
    database.execute("PRAGMA incremental_vacuum");  // gives the pages back to the file system
    return deleted;
  });
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

const std::filesystem::path& Store::path() const { return impl_->path; }

}  // namespace attnjit::cache
