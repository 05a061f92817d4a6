#include "cache/store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <system_error>
#include <utility>

#include "cache/eviction.h"
#include "cache/row.h"
#include "cache/shown_text.h"
#include "cache/store_transactions.h"
#include "cache/unlocked_read.h"
#include "cache/use_stamps.h"

namespace attnjit::cache {
namespace {

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

/// A row that was found but is unusable.
struct BadRow {
  std::string key;
  CompilerId compiler;
  std::string name;
  std::string fault;
};

/// Rereads the row, now with the right to write, and deletes it unless it was replaced meanwhile.
void erase_if_bad(Database& database, const BadRow& bad, const CompilerWish& wish) {
  Row row;
  {
    Statement statement(database, select_rows(true) + kOfKeyAndCompiler);
    bind_key_and_compiler(statement, bad.key, bad.compiler);
    if (!statement.step()) return;
    row = read_row(statement);
  }
  if (!fault_of(row, wish).empty()) erase_row(database, bad.key, bad.compiler);
}

}  // namespace

bool CompilerWish::admits(const CompilerId& compiler) const {
  if (exactly && compiler != *exactly) return false;
  return !accepts || accepts(compiler);
}

struct Store::Impl {
  std::function<void(const std::string&)> on_repair;
  std::int64_t max_bytes;
  StoreCounters counters;
  StoreTransactions transactions;

  Impl(std::filesystem::path file, std::function<void(const std::string&)> report, std::int64_t limit, Patience patience)
      : on_repair(std::move(report)), max_bytes(limit), transactions(std::move(file), on_repair, counters, patience) {}

  std::optional<Entry> find(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget, Wait wait);
  void drop(const std::vector<BadRow>& bad, const CompilerWish& wish, WaitBudget& budget);
};

std::optional<Entry> Store::Impl::find(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget,
                                       Wait wait) {
  std::vector<BadRow> bad;
  std::optional<Entry> entry = transactions.run(
      Access::kRead, budget,
      [&](StoreFile& file) {
        bad.clear();
        return find_row(file.find_statement(), fields, wish, [&](const Row& row, const std::string& fault) {
          bad.push_back({row.key, row.entry.compiler, name_of(row), fault});
        });
      },
      wait);
  drop(bad, wish, budget);
  return entry;
}

/// Deletes the rows that find() found bad, and reports them.
void Store::Impl::drop(const std::vector<BadRow>& bad, const CompilerWish& wish, WaitBudget& budget) {
  for (const BadRow& row : bad) {
    ++counters.bad_rows;
    std::string outcome = "deleted";
    try {
      transactions.run(Access::kWrite, budget, [&](StoreFile& file) {
        erase_if_bad(file.database(), row, wish);
        return true;
      });
    } catch (const StoreError& error) {
      outcome = fmt::format("not used, but cannot be deleted ({})", error.what());
    }
    if (on_repair)
      on_repair(fmt::format("{}: bad row {}: {}; {}", transactions.path().string(), row.name, row.fault, outcome));
  }
}

std::string Store::file_name() { return fmt::format("kernels-v{}.sqlite", kSchema); }

std::filesystem::path Store::file_in(const std::filesystem::path& directory) {
  std::error_code error;
  // SQLite is told to refuse symbolic links, and would also refuse one in the path to the directory.
  const std::filesystem::path real = std::filesystem::canonical(directory, error);
  if (error) {
    throw StoreError(fmt::format("{}: is no directory to keep kernels in: {}", directory.string(), error.message()));
  }
  return real / Store::file_name();
}

Store::Store(std::filesystem::path directory, std::function<void(const std::string&)> on_repair, std::int64_t max_bytes,
             Patience patience)
    : impl_(std::make_unique<Impl>(file_in(directory), std::move(on_repair), max_bytes, patience)) {
  WaitBudget budget(patience.read);
  try {
    impl_->transactions.run(
        Access::kRead, budget, [](StoreFile&) { return true; }, Wait::kAsReader);
  } catch (const StoreError& error) {
    // The next use retries, and a reader can find its row without a connection.
    if (!error.means_busy()) throw;
  }
}

Store::~Store() { flush_uses(); }

std::optional<Entry> Store::find(const KeyFields& fields, const CompilerWish& wish) {
  WaitBudget budget = impl_->transactions.budget();
  return impl_->find(fields, wish, budget, Wait::kAsRequest);
}

Lookup Store::look_up(const KeyFields& fields, const CompilerWish& wish, WaitBudget& budget) {
  try {
    try {
      return {impl_->find(fields, wish, budget, Wait::kAsReader), ""};
    } catch (const StoreError& error) {
      if (!error.means_busy()) throw;
    }
    // The lock's holder may keep it for long and is probably not changing this row.
    if (auto entry = read_without_locks(path(), fields, wish)) return {std::move(entry), ""};
    return {impl_->find(fields, wish, budget, Wait::kAsRequest), ""};
  } catch (const StoreError& error) {
    return {read_without_locks(path(), fields, wish), error.what()};
  }
}

void Store::put(const Entry& entry) {
  WaitBudget budget = impl_->transactions.budget();
  put(entry, budget);
}

void Store::put(const Entry& entry, WaitBudget& budget) {
  Entry dated = entry;
  if (dated.created_unix == 0) dated.created_unix = static_cast<std::int64_t>(std::time(nullptr));
  const Row row = make_row(std::move(dated));
  const UseStamps::Uses uses = impl_->transactions.session().uses.take();
  impl_->counters.evicted_rows += impl_->transactions.run(Access::kWrite, budget, [&](StoreFile& file) {
    Database& database = file.database();
    {
      Statement statement(database, insert_row());
      bind_row(statement, row);
      statement.step();
    }
    const std::int64_t inserted = database.last_insert_rowid();
    write_stamps(database, uses);  // before rows are chosen by their stamps
    return evict_above(database, impl_->max_bytes, inserted);
  });
}

void Store::note_use(const Entry& entry) noexcept {
  try {
    if (impl_->transactions.session().uses.add(entry, static_cast<std::int64_t>(std::time(nullptr)))) flush_uses();
  } catch (const std::exception&) {  // no memory for a stamp
  }
}

void Store::flush_uses() noexcept {
  try {
    UseStamps& stamps = impl_->transactions.session().uses;
    // Do not recreate a deleted file just to stamp rows it no longer has.
    if (stamps.empty() || !std::filesystem::exists(path())) return;
    const UseStamps::Uses uses = stamps.take();
    WaitBudget budget(impl_->transactions.patience().read);  // stamps are not worth more
    impl_->transactions.run(
        Access::kWrite, budget,
        [&](StoreFile& file) {
          write_stamps(file.database(), uses);
          return true;
        },
        Wait::kAsRequest, OnDamage::kThrow);
  } catch (const std::exception&) {
    // The store cannot be written (read-only, full, busy, damaged): whoever reads or writes rows will meet and report
    // that; stamps only decide what is evicted first.
  }
}

bool Store::erase(const Key& key, const CompilerId& compiler) {
  return impl_->transactions.run(Access::kWrite,
                                 [&](StoreFile& file) { return erase_row(file.database(), key.hex(), compiler); });
}

std::vector<Entry> Store::list(bool with_images) {
  return impl_->transactions.run(Access::kRead, [&](StoreFile& file) {
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
    impl_->transactions.run(
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
        Wait::kAsRequest, OnDamage::kThrow);
  } catch (const SqliteError& error) {
    if (!error.means_damage()) throw;
    faults.push_back(error.what());
  }
  return faults;
}

std::int64_t Store::clear() {
  return impl_->transactions.run(Access::kWrite, [](StoreFile& file) {
    Database& database = file.database();
    database.execute("DELETE FROM kernels");
    const std::int64_t deleted = database.changes();
    give_back_free_pages(database);
    return deleted;
  });
}

GarbageReport Store::collect_garbage(std::int64_t max_bytes, std::optional<std::int64_t> unused_since) {
  const GarbageReport report = impl_->transactions.run(Access::kWrite, [&](StoreFile& file) {
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
  StoreStat result = impl_->transactions.run(Access::kRead, [](StoreFile& file) {
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

std::vector<std::string> Store::foreign_objects() const {
  Session& session = impl_->transactions.session();
  const std::lock_guard guard(session.mutex);
  std::vector<std::string> names;
  for (const ForeignObject& object : session.file.foreign())
    names.push_back(shown_line(object.type + " " + object.name));
  return names;
}

const StoreCounters& Store::counters() const { return impl_->counters; }
const std::filesystem::path& Store::path() const { return impl_->transactions.path(); }

}  // namespace attnjit::cache
