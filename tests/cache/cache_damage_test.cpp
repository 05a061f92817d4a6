// Every kind of damage from the cache's point of view: the request is served, the damage is reported once and counted,
// and the next process starts clean. What happens to the file is up to the store, see store_repair_test.cpp.
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>

#include "cache/row.h"
#include "tests/cache/cache_trouble.h"

namespace attnjit::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kStored = 6;
constexpr int kVictim = 3;

struct Damage {
  const char* name;
  std::function<void(const std::filesystem::path& file)> strike;
  const char* told;              // part of the one warning
  bool only_the_victim = false;  // the other rows survive
  bool left_alone = false;       // the file is not ours to repair: every process uses memory only
  bool harmless_later = false;   // for a process that has the file open: its file is unchanged
};

void write_over(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

void run_sql(const std::filesystem::path& path, const std::string& sql) {
  ASSERT_EQ(0, run_child([&] {
              sqlite3* database = nullptr;
              if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) return 1;
              return sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK ? 0 : 2;
            }));
}

void flip_a_byte_of_the_image(const std::filesystem::path& file) {
  const Entry entry = sample_entry(kVictim);
  std::ifstream in(file, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const std::size_t place = bytes.find(std::string(entry.image.begin(), entry.image.begin() + 200));
  ASSERT_NE(place, std::string::npos);
  bytes[place + 77] ^= 1;
  write_over(file, bytes);
}

/// Puts a row of another kernel under the victim's key, with the right checksum: only comparing the fields with the key
/// reveals it.
void disagree_with_the_key(const std::filesystem::path& file) {
  Store(file.parent_path()).put(sample_entry(50));
  const std::string key = sample_fields(kVictim).key().hex();
  Row row = make_row(sample_entry(50));
  const std::string true_key = std::exchange(row.key, key);
  run_sql(file, "DELETE FROM kernels WHERE key = '" + key + "'; UPDATE kernels SET key = '" + key + "', checksum = '" +
                    checksum_of(row) + "' WHERE key = '" + true_key + "'");
}

const std::vector<Damage>& damages() {
  static const std::vector<Damage> all{
      {"Garbage", [](const auto& file) { write_over(file, std::string(30'000, '\x5a')); }, "damaged"},
      {"Truncated", [](const auto& file) { std::filesystem::resize_file(file, 9000); }, "damaged"},
      {"HeaderOnly", [](const auto& file) { std::filesystem::resize_file(file, 100); }, "damaged"},
      {"ZeroLength", [](const auto& file) { std::filesystem::resize_file(file, 0); }, "was empty"},
      {"OtherProgram",
       [](const auto& file) {
         std::filesystem::remove(file);
         run_sql(file, "CREATE TABLE bookmarks(x)");
       },
       "another program"},
      {"NewerSchema", [](const auto& file) { run_sql(file, "PRAGMA user_version = 2"); }, "schema 2", false, true,
       true},
      {"FlippedImageByte", flip_a_byte_of_the_image, "checksum", true},
      {"FieldsDisagreeWithTheKey", disagree_with_the_key, "do not match its key", true},
      {"SymbolicLink",
       [](const auto& file) {
         std::filesystem::rename(file, file.parent_path() / "elsewhere");
         std::filesystem::create_symlink("elsewhere", file);
       },
       "not a regular file", false, true, true},
      {"Folder",
       [](const auto& file) {
         std::filesystem::remove(file);
         std::filesystem::create_directory(file);
       },
       "not a regular file", false, true},
      {"Pipe",
       [](const auto& file) {
         std::filesystem::remove(file);
         ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
       },
       "not a regular file", false, true},
  };
  return all;
}

class CacheDamage : public ::testing::TestWithParam<Damage> {
 protected:
  CacheDamage() {
    Store store(directory_.path());
    for (int number = 0; number < kStored; ++number) store.put(sample_entry(number));
  }
  TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_ / "kernels-v1.sqlite";
};

TEST_P(CacheDamage, IsToldOnceAndServed) {
  const Damage& damage = GetParam();
  damage.strike(file_);
  {
    WatchedCache cache(directory_.path());
    EXPECT_EQ(cache.get(kVictim), Tier::kCompiled);
    EXPECT_EQ(cache.get(kVictim), Tier::kMemory);
    EXPECT_EQ(cache.get(kVictim + 1), damage.only_the_victim ? Tier::kStore : Tier::kCompiled);
    cache.expect_serves();
    EXPECT_THAT(cache.warnings(), ElementsAre(HasSubstr(damage.told)));
    EXPECT_EQ(cache->counters().repairs, damage.left_alone ? 0 : 1);
    EXPECT_EQ(cache->counters().store_failures, damage.left_alone ? 1 : 0);
  }
  WatchedCache next(directory_.path());
  EXPECT_EQ(next.get(kVictim), damage.left_alone ? Tier::kCompiled : Tier::kStore);
  EXPECT_EQ(next.warnings().size(), damage.left_alone ? 1u : 0u);
}

/// The same, done to a file that the cache has open.
TEST_P(CacheDamage, UnderALivingCacheIsServed) {
  const Damage& damage = GetParam();
  WatchedCache cache(directory_.path());
  EXPECT_EQ(cache.get(0), Tier::kStore);
  // In a child process: closing a descriptor here would drop SQLite's locks.
  ASSERT_EQ(0, run_child([&] { return checked([&] { damage.strike(file_); }); }));
  EXPECT_EQ(cache.get(kVictim), damage.harmless_later ? Tier::kStore : Tier::kCompiled);
  cache.expect_serves();
  EXPECT_EQ(cache.get(0), Tier::kMemory);
  if (damage.harmless_later) {
    EXPECT_THAT(cache.warnings(), IsEmpty());
    return;
  }
  EXPECT_GE(cache->counters().repairs + cache->counters().store_failures, 1);
  EXPECT_THAT(cache.warnings(), ::testing::Contains(HasSubstr(damage.told)));
  EXPECT_LE(cache.warnings().size(), damage.left_alone ? 2u : 1u);  // one to read, one to write
}

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

INSTANTIATE_TEST_SUITE_P(, CacheDamage, ::testing::ValuesIn(damages()),
                         [](const auto& instance) { return instance.param.name; });

/// After repeated damage, only the latest damaged file is kept aside.
TEST(CacheDamageTwice, LeavesOneFileAside) {
  TemporaryDirectory directory;
  for (int round = 0; round < 4; ++round) {
    WatchedCache(directory.path()).get(round);
    write_over(directory / "kernels-v1.sqlite", std::string(5000 + static_cast<std::size_t>(round), 'x'));
  }
  WatchedCache(directory.path()).get(0);
  EXPECT_THAT(names_in(directory.path()),
              ElementsAre("compile.lock", "kernels-v1.lock", "kernels-v1.sqlite", "kernels-v1.sqlite.bad"));
  EXPECT_EQ(std::filesystem::file_size(directory / "kernels-v1.sqlite.bad"), 5003u);
}

}  // namespace
}  // namespace attnjit::cache
