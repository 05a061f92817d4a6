#include "cache/damage.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace attnjit::cache {

bool says_that_a_read_failed(std::string_view verdict) {
  if (verdict.find("failed to get page") != verdict.npos) return true;  // an overflow page with a valid number
  constexpr std::string_view kCode = "unable to get the page. error code=";
  const auto place = verdict.find(kCode);
  if (place == verdict.npos) return false;
  const int code = std::atoi(std::string(verdict.substr(place + kCode.size())).c_str()) & 0xff;
  return code == SQLITE_IOERR || code == SQLITE_NOMEM || code == SQLITE_BUSY || code == SQLITE_CANTOPEN;
}

std::string integrity_verdict(Database& database) {
  std::string verdict;
  for (int i = 0; i < 3; ++i) {
    const std::string last = std::exchange(verdict, database.text("PRAGMA integrity_check(1)"));
    // A pointer-map page may be wrong or unreadable: check again; a wrong one is reported again.
    if (verdict.find("Failed to read ptrmap") == verdict.npos || (i > 0 && verdict == last)) return verdict;
  }
  return "failed to get page of pointers";
}

bool may_be_rolled_back(const std::filesystem::path& journal) {
  const FileDescriptor opened(::open(journal.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!opened.valid()) return errno != ENOENT && errno != ENOTDIR;
  char first = 0;
  const ssize_t size = ::pread(opened.number(), &first, 1, 0);
  return size < 0 || first != 0;  // zeroed or empty: a journal kept for the next transaction
}

}  // namespace attnjit::cache
