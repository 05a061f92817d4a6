#include "cache/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <ctime>
#include <limits>
#include <thread>

#include "cache/folder_trust.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::IsEmpty;

unsigned mode_of(const std::filesystem::path& path) {
  struct stat status = {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

TEST(Store, GivesBackEveryFieldInAnotherInstance) {
  TemporaryDirectory directory;
  Entry entry = sample_entry();
  entry.local = true;
  entry.compile_seconds = 0.1234567890123;
  entry.log = std::string("before\0after\n", 13) + "\xff";  // neither a C string nor UTF-8
  entry.resources["least"] = std::numeric_limits<std::int64_t>::min();
  Store(directory.path()).put(entry);

  const std::optional<Entry> found = Store(directory.path()).find(entry.fields, {});
  ASSERT_TRUE(found);
  expect_same(*found, entry);
}

TEST(Store, KeepsEntriesAtTheEdgeOfTheirTypes) {
  TemporaryDirectory directory;
  Store store(directory.path());
  for (const double seconds :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -0.0, -1.0}) {
    Entry entry;  // all texts empty, no image
    entry.compile_seconds = seconds;
    store.put(entry);
    const std::optional<Entry> found = store.find(entry.fields, {});
    ASSERT_TRUE(found) << seconds;
    EXPECT_EQ(found->compile_seconds, 0);
    EXPECT_THAT(found->image, IsEmpty());
  }
}

TEST(Store, DatesAnEntryThatHasNoDate) {
  TemporaryDirectory directory;
  Store store(directory.path());
  Entry entry = sample_entry();
  entry.created_unix = 0;
  const std::int64_t before = std::time(nullptr);
  store.put(entry);
  const std::int64_t created = store.find(entry.fields, {})->created_unix;
  EXPECT_GE(created, before);
  EXPECT_LE(created, std::time(nullptr));
}

TEST(Store, FindsNothingUnderAnotherKey) {
  TemporaryDirectory directory;
  Store store(directory.path());
  EXPECT_FALSE(store.find(sample_fields(1), {}));
  store.put(sample_entry(1));
  EXPECT_FALSE(store.find(sample_fields(2), {}));
}

TEST(Store, PutReplacesTheRowOfKeyAndCompiler) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry());
  Entry second = sample_entry();
  second.image = {1, 2, 3};
  store.put(second);
  EXPECT_EQ(store.find(second.fields, {})->image, second.image);
  EXPECT_EQ(store.stat().entries, 1);
}

TEST(Store, ChoosesAmongCompilersByWish) {
  TemporaryDirectory directory;
  Store store(directory.path());
  const CompilerId tenth{"nvrtc", 12, 10};  // newer than 12.9 as numbers, older as text
  for (const CompilerId& compiler : {kNewCompiler, tenth, kOldCompiler}) store.put(sample_entry(0, compiler));

  const auto found = [&](const CompilerWish& wish) {
    const std::optional<Entry> entry = store.find(sample_fields(), wish);
    if (!entry) return std::optional<CompilerId>();
    EXPECT_EQ(entry->image, sample_entry(0, entry->compiler).image);
    return std::optional(entry->compiler);
  };
  EXPECT_EQ(found({}), kNewCompiler);
  EXPECT_EQ(found({.exactly = kOldCompiler}), kOldCompiler);
  EXPECT_EQ(found({.exactly = CompilerId{"nvrtc", 11, 8}}), std::nullopt);
  EXPECT_EQ(found({.exactly = CompilerId{"other", 13, 0}}), std::nullopt);
  EXPECT_EQ(found({.accepts = [](const CompilerId& c) { return c.major <= 12; }}), tenth);
  EXPECT_EQ(found({.accepts = [](const CompilerId&) { return false; }}), std::nullopt);
}

TEST(Store, ErasesOneCompilersRow) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry(0, kOldCompiler));
  store.put(sample_entry(0, kNewCompiler));
  const Key key = sample_fields().key();
  EXPECT_TRUE(store.erase(key, kNewCompiler));
  EXPECT_FALSE(store.erase(key, kNewCompiler));
  EXPECT_EQ(store.find(sample_fields(), {})->compiler, kOldCompiler);
}

TEST(Store, ListsNewestFirst) {
  TemporaryDirectory directory;
  Store store(directory.path());
  for (const int number : {2, 3, 1}) store.put(sample_entry(number));
  const std::vector<Entry> light = store.list();
  ASSERT_EQ(light.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(light[i].fields, sample_fields(3 - i));
    EXPECT_EQ(light[i].resources, sample_entry().resources);
    EXPECT_THAT(light[i].image, IsEmpty());
  }
  const std::vector<Entry> full = store.list(/*with_images=*/true);
  ASSERT_EQ(full.size(), 3u);
  for (int i = 0; i < 3; ++i) expect_same(full[i], sample_entry(3 - i));
}

TEST(Store, CountsAndClears) {
  TemporaryDirectory directory;
  Store store(directory.path());
  for (int number = 0; number < 8; ++number) store.put(sample_entry(number, kNewCompiler, 100'000));
  StoreStat stat = store.stat();
  EXPECT_EQ(stat.entries, 8);
  EXPECT_EQ(stat.image_bytes, 800'000);
  EXPECT_GE(stat.file_bytes, 800'000);
  EXPECT_EQ(stat.schema, Store::kSchema);
  EXPECT_EQ(stat.path, directory.path() / Store::file_name());
  EXPECT_THAT(store.verify(), IsEmpty());

  EXPECT_EQ(store.clear(), 8);
  stat = store.stat();
  EXPECT_EQ(stat.entries, 0);
  EXPECT_EQ(stat.image_bytes, 0);
  EXPECT_LT(stat.file_bytes, 100'000) << "the file did not shrink";
  EXPECT_FALSE(store.find(sample_fields(), {}));
  EXPECT_THAT(store.verify(), IsEmpty());
}

TEST(Store, FilesArePrivateUnlessTheDirectoryIsShared) {
  const mode_t umask_before = ::umask(022);
  TemporaryDirectory directory;
  Store(directory.path()).put(sample_entry());
  EXPECT_EQ(mode_of(directory / "kernels-v1.sqlite"), 0600u);
  EXPECT_EQ(mode_of(directory / "kernels-v1.lock"), 0600u);

  TemporaryDirectory shared;
  ASSERT_EQ(::chmod(shared.path().c_str(), 0770), 0);
  EXPECT_THROW(Store{shared.path()}, StoreError) << "nobody asked for sharing by name";
  share_with_group(shared.path(), ::getegid());
  Store(shared.path()).put(sample_entry());
  EXPECT_EQ(mode_of(shared / "kernels-v1.sqlite"), 0660u);
  EXPECT_EQ(mode_of(shared / "kernels-v1.lock"), 0660u);
  ::umask(umask_before);
}

TEST(Store, NoFileIsInheritedByAnotherProgram) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry());
  for (const char* name : {"kernels-v1.sqlite", "kernels-v1.lock"}) {
    EXPECT_EQ(descriptor_flags(directory / name), std::vector{FD_CLOEXEC}) << name;
  }
  const std::vector<int> of_folder = descriptor_flags(directory.path());
  EXPECT_FALSE(of_folder.empty());
  EXPECT_THAT(of_folder, ::testing::Each(FD_CLOEXEC));
}

/// Exceeding the limit would raise SIGXFSZ, which would end the process.
TEST(Store, AnEntryForWhichTheLimitOfFileSizesHasNoRoomIsRefused) {
  TemporaryDirectory directory;
  EXPECT_EQ(0, run_child([&] {
              const struct rlimit limit = {.rlim_cur = 330 << 10, .rlim_max = RLIM_INFINITY};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              Store store(directory.path());
              store.put(sample_entry(1, kNewCompiler, 200'000));
              try {
                store.put(sample_entry(2, kNewCompiler, 200'000));
                return 2;
              } catch (const StoreError& error) {
                if (std::string(error.what()).find("full") == std::string::npos) return 3;
              }
              return store.find(sample_fields(1), {}) && !store.find(sample_fields(2), {}) ? 0 : 4;
            }));
}

TEST(Store, LeavesOnlyItsTwoFiles) {
  TemporaryDirectory directory;
  Store store(directory.path());
  store.put(sample_entry());
  store.find(sample_fields(), {});
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
    names.push_back(file.path().filename());
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("kernels-v1.lock", "kernels-v1.sqlite"));
}

TEST(Store, WorksBehindASymbolicLinkInThePath) {
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "real");
  std::filesystem::create_directory_symlink(directory / "real", directory / "link");
  Store(directory / "link").put(sample_entry());
  EXPECT_TRUE(Store(directory / "real").find(sample_fields(), {}));
}

TEST(Store, RefusesWhatIsNoPlaceForAFile) {
  TemporaryDirectory directory;
  EXPECT_THROW(Store(directory / "missing"), StoreError);
  std::filesystem::create_directory(directory / "kernels-v1.sqlite");
  EXPECT_THROW(Store(directory.path()), StoreError);
  std::filesystem::remove(directory / "kernels-v1.sqlite");
  std::filesystem::create_symlink(directory / "elsewhere", directory / "kernels-v1.sqlite");
  EXPECT_THROW(Store(directory.path()), StoreError);
  EXPECT_FALSE(std::filesystem::exists(directory / "elsewhere"));
}

TEST(Store, ServesThreadsOfOneAndOfSeveralInstances) {
  TemporaryDirectory directory;
  Store first(directory.path());
  Store second(directory.path());
  constexpr int kThreads = 6;
  constexpr int kEach = 8;
  std::vector<std::thread> threads;
  std::atomic<int> missing{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Store& mine = t % 2 ? first : second;
      Store& other = t % 2 ? second : first;
      for (int i = 0; i < kEach; ++i) {
        const Entry entry = sample_entry(100 * t + i);
        mine.put(entry);
        const std::optional<Entry> found = other.find(entry.fields, {});
        if (!found || found->image != entry.image) ++missing;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missing, 0);
  EXPECT_EQ(first.stat().entries, kThreads * kEach);
  EXPECT_THAT(second.verify(), IsEmpty());
}

}  // namespace
}  // namespace attnjit::cache
