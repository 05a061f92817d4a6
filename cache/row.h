// The layout of the store: its table, what a row holds, and how a row proves itself. Internal to cache/.
//
// Whoever changes anything here raises Store::kSchema.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cache/entry.h"
#include "cache/sqlite.h"
#include "cache/store.h"

namespace attnjit::cache {

/// Marks the file as ours in SQLite's header ("AJKC").
inline constexpr int kApplicationId = 0x414a4b43;

/// The one table. SQLite keeps this text in the file, so a table of another form shows at once.
extern const char kCreateTable[];

/// A row as it is in the file: the entry, and what the file claims about it.
struct Row {
  Entry entry;
  std::string key;        // hex
  std::string resources;  // JSON object, names to numbers
  std::string checksum;   // hex, over everything else but last_used
};

/// The row for an entry. Throws StoreError if the resources cannot be written as JSON.
Row make_row(Entry entry);

/// "SELECT ... FROM kernels", with the columns in the order that read_row() expects.
std::string select_rows(bool with_images);
Row read_row(const Statement& statement);

/// "INSERT OR REPLACE ...", with the parameters in the order of bind_row(). `row` must outlive the step.
std::string insert_row();
void bind_row(Statement& statement, const Row& row);

/// Columns of select_rows() that a wish looks at before anything else is read.
CompilerId read_compiler(const Statement& statement);

/// What `checksum` ought to be. The row must have been read with its image.
std::string checksum_of(const Row& row);

/// Why the row cannot be trusted; empty if it can. The row must have been read with its image.
std::string fault_of(const Row& row);
/// "SELECT ..." of all columns by key (parameter 1), newest compiler first.
std::string select_by_key();
/// The first row that a statement of select_by_key() gives for these fields, is wished for and can be trusted; `on_bad`
/// is told of those before it that cannot.
std::optional<Entry> find_row(Statement& statement, const KeyFields& fields, const CompilerWish& wish,
                              const std::function<void(const Row&, const std::string& fault)>& on_bad);

/// The same, and what the wish finds wrong with its entry.
std::string fault_of(const Row& row, const CompilerWish& wish);
/// For messages: "sm80_mha_varlen {...} for sm_90a by nvrtc 13.0".
std::string name_of(const Row& row);

}  // namespace attnjit::cache
