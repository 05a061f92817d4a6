// A row as a damaged or foreign file may hold it: any value of any type in any column.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "cache/row.h"
#include "cache/store.h"
#include "tests/fuzz/fuzz.h"

namespace attnjit::cache {
namespace {

using fuzz::require;

constexpr int kColumns = 20;

Statement& select_of_parameters() {
  static Database database(":memory:", std::chrono::milliseconds(0));
  static Statement statement(database, [] {
    std::string sql = "SELECT ?1";
    for (int column = 2; column <= kColumns; ++column) sql += ", ?" + std::to_string(column);
    return sql;
  }());
  return statement;
}

void read_any_row(FuzzedDataProvider& data) {
  Statement& statement = select_of_parameters();
  std::vector<std::string> texts(kColumns);  // values bound by view must outlive the step
  for (int column = 0; column < kColumns; ++column) {
    std::string& text = texts[static_cast<std::size_t>(column)];
    switch (data.ConsumeIntegralInRange(0, 4)) {
      case 0: break;  // NULL
      case 1: statement.bind(column + 1, data.ConsumeIntegral<std::int64_t>()); break;
      case 2: statement.bind(column + 1, data.ConsumeFloatingPoint<double>()); break;
      case 3: statement.bind(column + 1, std::string_view(text = data.ConsumeRandomLengthString(2000))); break;
      case 4:
        text = data.ConsumeRandomLengthString(2000);
        statement.bind(column + 1, std::span(reinterpret_cast<const unsigned char*>(text.data()), text.size()));
        break;
    }
  }
  require(statement.step(), "SELECT of parameters gives one row");
  Row row = read_row(statement);
  statement.reset();
  (void)name_of(row);
  require(!fault_of(row).empty(), "a row that proves itself cannot come about by chance");

  // Made to look valid: with its own digests the row is sound, and any change of what they cover shows.
  row.key = row.entry.fields.key().hex();
  row.checksum = checksum_of(row);
  require(fault_of(row).empty(), "a row is sound under its own key and checksum");
  row.entry.image.push_back(0);
  require(!fault_of(row).empty(), "a longer image is not sound");
  row.entry.image.pop_back();

  // Whatever was read can be written, and comes back unchanged.
  try {
    const Row made = make_row(row.entry);
    require(fault_of(made).empty(), "a row that was made is sound");
    require(made.entry.fields == row.entry.fields && made.entry.image == row.entry.image, "make_row keeps the entry");
  } catch (const StoreError&) {
    // Resource names that are not UTF-8.
  }
}

}  // namespace
}  // namespace attnjit::cache

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t count) {
  FuzzedDataProvider data(bytes, count);
  attnjit::cache::read_any_row(data);
  return 0;
}
