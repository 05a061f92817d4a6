#include "cache/unlocked_read.h"

#include <sys/stat.h>

#include "cache/row.h"
#include "cache/sqlite.h"

namespace attnjit::cache {

std::optional<Entry> read_without_locks(const std::filesystem::path& file, const KeyFields& fields,
                                        const CompilerWish& wish) noexcept {
  try {
    struct stat status;
    if (::lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
      return std::nullopt;  // opening a FIFO would block
    const SqliteStay stay;
    // A separate connection, closed at once: pages it has read are never revalidated. SQLite opens and closes the file;
    // an open() and close() of ours would drop the POSIX locks this process holds on it.
    Database database(file, std::chrono::milliseconds(0), Database::Locks::kNone);
    if (database.integer("PRAGMA application_id") != kApplicationId ||
        database.integer("PRAGMA user_version") != Store::kSchema ||
        database.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'kernels'") != kCreateTable) {
      return std::nullopt;
    }
    Statement statement(database, select_by_key());
    return find_row(statement, fields, wish, [](const Row&, const std::string&) {});
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace attnjit::cache
