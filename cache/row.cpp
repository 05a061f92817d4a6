#include "cache/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "cache/shown_text.h"

namespace attnjit::cache {
namespace {

/// Order of the columns in SELECT and INSERT.
enum Column : int {
  kKey,
  kCompiler,
  kCompilerMajor,
  kCompilerMinor,
  kFamily,
  kConfig,
  kTarget,
  kOptions,
  kSourceDigest,
  kKeySchema,
  kEntryPoint,
  kResources,
  kLog,
  kImageBytes,
  kCompileSeconds,
  kCreated,
  kLastUsed,
  kLocal,
  kChecksum,
  kImage,
};

constexpr char kColumns[] =
    "key, compiler, compiler_major, compiler_minor, family, config, target, options, source_digest, "
    "key_schema, "
    "entry_point, resources, log, image_bytes, compile_seconds, created, last_used, local, checksum";

std::string_view as_text(const std::vector<unsigned char>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A cached prepared statement must be reset before its transaction can end and before the values bound to it are
/// destroyed.
class ResetAtEnd {
 public:
  explicit ResetAtEnd(Statement& statement) : statement_(statement) {}
  ~ResetAtEnd() { statement_.reset(); }
  ResetAtEnd(const ResetAtEnd&) = delete;
  ResetAtEnd& operator=(const ResetAtEnd&) = delete;

 private:
  Statement& statement_;
};

/// Unreadable text yields no resources; whether to trust the row is up to the checksum.
std::map<std::string, std::int64_t> parse_resources(const std::string& text) {
  std::map<std::string, std::int64_t> resources;
  const nlohmann::json parsed = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return resources;
  for (const auto& [name, value] : parsed.items()) {
    if (value.is_number_integer()) resources[name] = value.get<std::int64_t>();
  }
  return resources;
}

}  // namespace

// The primary key ends in the order find() wants its rows in, so the index yields them sorted and no image is copied
// into a sorter. The image is the last column, so listing rows never reads its pages. last_used is written rarely and
// in whole batches, so the checksum does not cover it.
const char kCreateTable[] =
    "CREATE TABLE kernels(\n"
    "  key TEXT NOT NULL,\n"
    "  compiler TEXT NOT NULL,\n"
    "  compiler_major INTEGER NOT NULL,\n"
    "  compiler_minor INTEGER NOT NULL,\n"
    "  family TEXT NOT NULL,\n"
    "  config TEXT NOT NULL,\n"
    "  target TEXT NOT NULL,\n"
    "  options TEXT NOT NULL,\n"
    "  source_digest TEXT NOT NULL,\n"
    "  key_schema INTEGER NOT NULL,\n"
    "  entry_point TEXT NOT NULL,\n"
    "  resources TEXT NOT NULL,\n"
    "  log TEXT NOT NULL,\n"
    "  image_bytes INTEGER NOT NULL,\n"
    "  compile_seconds REAL NOT NULL,\n"
    "  created INTEGER NOT NULL,\n"
    "  last_used INTEGER NOT NULL,\n"
    "  local INTEGER NOT NULL,\n"
    "  checksum TEXT NOT NULL,\n"
    "  image BLOB NOT NULL,\n"
    "  PRIMARY KEY (key, compiler_major, compiler_minor, compiler))";

std::string checksum_of(const Row& row) {
  const Entry& entry = row.entry;
  return DigestBuilder()
      .add("key", row.key)
      .add("compiler", entry.compiler.name)
      .add("compiler_major", entry.compiler.major)
      .add("compiler_minor", entry.compiler.minor)
      .add("family", entry.fields.family)
      .add("config", entry.fields.config)
      .add("target", entry.fields.target)
      .add("options", entry.fields.options)
      .add("source_digest", entry.fields.source_digest)
      .add("key_schema", entry.fields.schema)
      .add("entry_point", entry.entry_point)
      .add("resources", row.resources)
      .add("log", entry.log)
      .add("compile_seconds", std::bit_cast<std::int64_t>(entry.compile_seconds))
      .add("created", entry.created_unix)
      .add("local", entry.local ? 1 : 0)
      .add("image", as_text(entry.image))
      .finish()
      .hex();
}

Row make_row(Entry entry) {
  Row row;
  // SQLite has no NaN and may store -0.0 as an integer: neither would read back as the bits that were checksummed.
  if (!std::isfinite(entry.compile_seconds) || entry.compile_seconds <= 0) entry.compile_seconds = 0;
  row.entry = std::move(entry);
  row.key = row.entry.fields.key().hex();
  try {
    row.resources = nlohmann::json(row.entry.resources).dump();
  } catch (const nlohmann::json::exception& error) {
    throw StoreError(fmt::format("the resources of {} cannot be stored: {}", name_of(row), error.what()));
  }
  row.checksum = checksum_of(row);
  return row;
}

std::string select_rows(bool with_images) {
  return fmt::format("SELECT {}, {} FROM kernels", kColumns, with_images ? "image" : "NULL");
}

Row read_row(const Statement& statement) {
  Row row;
  row.key = statement.text(kKey);
  row.resources = statement.text(kResources);
  row.checksum = statement.text(kChecksum);
  Entry& entry = row.entry;
  entry.fields = {.family = statement.text(kFamily),
                  .config = statement.text(kConfig),
                  .target = statement.text(kTarget),
                  .options = statement.text(kOptions),
                  .source_digest = statement.text(kSourceDigest),
                  .schema = static_cast<int>(statement.integer(kKeySchema))};
  entry.compiler = read_compiler(statement);
  entry.entry_point = statement.text(kEntryPoint);
  entry.resources = parse_resources(row.resources);
  entry.log = statement.text(kLog);
  entry.compile_seconds = statement.real(kCompileSeconds);
  entry.created_unix = statement.integer(kCreated);
  entry.last_used_unix = statement.integer(kLastUsed);
  entry.local = statement.integer(kLocal) != 0;
  const auto image = statement.blob(kImage);
  entry.image.assign(image.begin(), image.end());
  return row;
}

std::string insert_row() {
  std::string places = "?1";
  for (int i = 1; i <= kImage; ++i) places += fmt::format(", ?{}", i + 1);
  return fmt::format("INSERT OR REPLACE INTO kernels({}, image) VALUES({})", kColumns, places);
}

void bind_row(Statement& statement, const Row& row) {
  const Entry& entry = row.entry;
  const auto bind = [&](Column column, const auto& value) { statement.bind(column + 1, value); };
  const auto bind_number = [&](Column column, std::int64_t value) { statement.bind(column + 1, value); };
  bind(kKey, row.key);
  bind(kCompiler, entry.compiler.name);
  bind_number(kCompilerMajor, entry.compiler.major);
  bind_number(kCompilerMinor, entry.compiler.minor);
  bind(kFamily, entry.fields.family);
  bind(kConfig, entry.fields.config);
  bind(kTarget, entry.fields.target);
  bind(kOptions, entry.fields.options);
  bind(kSourceDigest, entry.fields.source_digest);
  bind_number(kKeySchema, entry.fields.schema);
  bind(kEntryPoint, entry.entry_point);
  bind(kResources, row.resources);
  bind(kLog, entry.log);
  bind_number(kImageBytes, static_cast<std::int64_t>(entry.image.size()));
  bind(kCompileSeconds, entry.compile_seconds);
  bind_number(kCreated, entry.created_unix);
  bind_number(kLastUsed, std::max(entry.created_unix, entry.last_used_unix));
  bind_number(kLocal, entry.local ? 1 : 0);
  bind(kChecksum, row.checksum);
  statement.bind(kImage + 1, std::span<const unsigned char>(entry.image));
}

CompilerId read_compiler(const Statement& statement) {
  return {.name = statement.text(kCompiler),
          .major = static_cast<int>(statement.integer(kCompilerMajor)),
          .minor = static_cast<int>(statement.integer(kCompilerMinor))};
}

std::string fault_of(const Row& row) {
  if (row.checksum != checksum_of(row)) return "its bytes do not match their checksum";
  if (row.key != row.entry.fields.key().hex()) return "its fields do not match its key";
  return {};
}

std::string fault_of(const Row& row, const CompilerWish& wish) {
  std::string fault = fault_of(row);
  if (fault.empty() && wish.fault) fault = wish.fault(row.entry);
  return fault;
}

std::string select_by_key() {
  return select_rows(true) + " WHERE key = ?1 ORDER BY compiler_major DESC, compiler_minor DESC, compiler DESC";
}

std::optional<Entry> find_row(Statement& statement, const KeyFields& fields, const CompilerWish& wish,
                              const std::function<void(const Row&, const std::string& fault)>& on_bad) {
  const std::string key = fields.key().hex();
  const ResetAtEnd reset(statement);
  statement.bind(1, key);
  while (statement.step()) {
    if (!wish.admits(read_compiler(statement))) continue;
    Row row = read_row(statement);
    std::string fault = fault_of(row, wish);
    // A valid row of another key: the index is wrong, or a page was reused while reading without locks.
    if (fault.empty() && row.entry.fields != fields) fault = "it is not the row of its key";
    if (fault.empty()) return std::move(row.entry);
    on_bad(row, fault);
  }
  return std::nullopt;
}

std::string name_of(const Row& row) {
  const Entry& entry = row.entry;
  // Kept to one line, whatever a bad row contains.
  return shown_line(fmt::format("{} {} for {} by {} {}.{}", entry.fields.family, entry.fields.config,
                                entry.fields.target, entry.compiler.name, entry.compiler.major, entry.compiler.minor));
}

}  // namespace attnjit::cache
