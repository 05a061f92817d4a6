#include "cache/foreign_objects.h"

#include <fmt/format.h>

#include "cache/shown_text.h"

namespace attnjit::cache {
namespace {

std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (const char letter : name) text += letter == '"' ? std::string("\"\"") : std::string(1, letter);
  return text + "\"";
}

}  // namespace

std::vector<ForeignObject> foreign_objects(Database& database) {
  std::vector<ForeignObject> found;
  // The index of a primary key has no SQL text.
  Statement statement(database,
                      "SELECT type, name FROM sqlite_master WHERE NOT (type = 'table' AND name = 'kernels') AND "
                      "NOT (type = 'index' AND tbl_name = 'kernels' AND sql IS NULL)");
  while (statement.step()) found.push_back({statement.text(0), statement.text(1)});
  return found;
}

std::vector<std::string> drop_foreign_indexes(Database& database) {
  std::vector<std::string> indexes;
  {
    Statement statement(
        database, "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'kernels' AND sql NOT NULL");
    while (statement.step()) indexes.push_back(statement.text(0));
  }
  std::vector<std::string> lines;
  for (const std::string& index : indexes) {
    database.execute("DROP INDEX " + quoted(index));
    lines.push_back(fmt::format("an index that is not the library's, {}, was dropped", shown_line(index)));
  }
  return lines;
}

}  // namespace attnjit::cache
