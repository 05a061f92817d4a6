// The store's layout: its table, the contents of a row, and how a row is verified. Internal to cache/.
//
// Any change here must raise Store::kSchema.
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

/// The only table. SQLite keeps this text in the file, so a table of another form is recognized at once.
extern const char kCreateTable[];

/// A row as stored: the entry, and the file's claims about it.
struct Row {
  Entry entry;
  std::string key;        // hex
  std::string resources;  // JSON object, names to numbers
  std::string checksum;   // hex, over everything but last_used
};

/// Builds the row of an entry. Throws StoreError if the resources cannot be written as JSON.
Row make_row(Entry entry);

/// "SELECT ... FROM kernels", with the columns in read_row()'s order.
std::string select_rows(bool with_images);
Row read_row(const Statement& statement);

/// "INSERT OR REPLACE ...", with the parameters in bind_row()'s order. `row` must outlive the step.
std::string insert_row();
void bind_row(Statement& statement, const Row& row);

/// Reads the select_rows() columns that a wish checks before anything else is read.
CompilerId read_compiler(const Statement& statement);

/// The correct `checksum`. The row must have been read with its image.
std::string checksum_of(const Row& row);

/// Why the row cannot be trusted; empty if it can. The row must have been read with its image.
std::string fault_of(const Row& row);
/// "SELECT ..." of all columns by key (parameter 1), newest compiler first.
std::string select_by_key();
/// The first row from a select_by_key() statement that matches these fields, is wished for and can be trusted; calls
/// `on_bad` for earlier rows that cannot.
std::optional<Entry> find_row(Statement& statement, const KeyFields& fields, const CompilerWish& wish,
                              const std::function<void(const Row&, const std::string& fault)>& on_bad);

/// The same, including what the wish finds wrong with the entry.
std::string fault_of(const Row& row, const CompilerWish& wish);
/// For messages: "sm80_mha_varlen {...} for sm_90a by nvrtc 13.0".
std::string name_of(const Row& row);

}  // namespace attnjit::cache
