// Unusable places, from the environment variable to a kernel that is served nevertheless.
#include <grp.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstring>
#include <map>
#include <thread>

#include "cache/sqlite.h"
#include "tests/cache/cache_trouble.h"
#include "tests/cache/own_file_system.h"

namespace attnjit::cache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

/// Root can write to any folder, so root becomes another user. Other users stay as they are.
void become_nobody() {
  if (::geteuid() != 0) return;
  ASSERT_EQ(::setgid(kNobody), 0);
  ASSERT_EQ(::setuid(kNobody), 0);
}

class CachePlaces : public ::testing::Test {
 protected:
  CachePlaces() {
    fs::permissions(root_.path(), static_cast<fs::perms>(0755));
    for (const char* name : {"temporary", "home"}) fs::create_directory(root_ / name);
    ::chmod((root_ / "temporary").c_str(), 01777);
  }
  using Variables = std::map<std::string, std::string>;
  static Location choose(Variables variables) {
    return choose_location("", [&](const char* name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    });
  }
  /// ATTNJIT_CACHE names `name`.
  Location named(const char* name) const {
    return choose({{"ATTNJIT_CACHE", root_ / name}, {"TMPDIR", root_ / "temporary"}});
  }
  /// The place was requested by name and is not available: memory, one warning, one failure counted.
  static void expect_refused(const Location& location, const std::string& why) {
    EXPECT_FALSE(location.directory);
    WatchedCache cache(location);
    cache.expect_serves();
    EXPECT_THAT(cache.warnings(),
                ElementsAre(AllOf(HasSubstr("memory only"), HasSubstr("ATTNJIT_CACHE"), HasSubstr(why))));
    EXPECT_EQ(cache->counters().store_failures, 1);
  }
  TemporaryDirectory root_;
};

TEST_F(CachePlaces, MissingFolderIsMade) {
  WatchedCache(named("a/b")).expect_serves();
  WatchedCache next(named("a/b"));
  EXPECT_EQ(next.get(100), Tier::kStore);
  EXPECT_THAT(next.warnings(), IsEmpty());
}

TEST_F(CachePlaces, MemoryByRequestIsNoTrouble) {
  WatchedCache cache(choose({{"ATTNJIT_CACHE", ":memory:"}}));
  cache.expect_serves();
  EXPECT_THAT(cache.warnings(), IsEmpty());
  EXPECT_EQ(cache->counters().store_failures, 0);
}

TEST_F(CachePlaces, UnwritableFolder) {
  fs::create_directory(root_ / "named");
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown((root_ / "named").c_str(), kNobody, kNobody), 0);
  }
  ::chmod((root_ / "named").c_str(), 0555);
  EXPECT_EQ(0, run_child([&] {
              return checked([&] {
                become_nobody();
                expect_refused(named("named"), "cannot be written");
              });
            }));
}

TEST_F(CachePlaces, FolderThatCannotBeMade) {
  ::chmod(root_.path().c_str(), 0555);
  EXPECT_EQ(0, run_child([&] {
              return checked([&] {
                become_nobody();
                expect_refused(named("named"), "cannot be created");
              });
            }));
  ::chmod(root_.path().c_str(), 0755);
}

TEST_F(CachePlaces, FolderOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a folder to another user needs root";
  fs::create_directory(root_ / "named");
  ASSERT_EQ(::chown((root_ / "named").c_str(), kNobody - 1, kNobody), 0);
  EXPECT_EQ(0, run_child([&] {
              return checked([&] {
                become_nobody();
                expect_refused(named("named"), "belongs to user 65533");
              });
            }));
}

/// A container image: root compiled the kernels, anybody reads them.
TEST_F(CachePlaces, FolderOfRootIsReadByAnybody) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  WatchedCache(named("named")).expect_serves(100);
  const auto as_nobody = [&](const std::function<void()>& body) {
    return run_child([&] {
      return checked([&] {
        become_nobody();
        body();
      });
    });
  };
  EXPECT_EQ(0, as_nobody([&] { expect_refused(named("named"), "chmod -R a+rX"); }));
  for (const char* file : {"kernels-v1.sqlite", "kernels-v1.lock", "compile.lock"}) {
    ::chmod((root_ / "named" / file).c_str(), 0644);
  }
  for (const unsigned mode : {0755u, 0555u}) {
    ::chmod((root_ / "named").c_str(), mode);
    EXPECT_EQ(0, as_nobody([&] {
                const Location location = named("named");
                EXPECT_THAT(location.reason, HasSubstr("read only"));
                WatchedCache cache(location);
                EXPECT_EQ(cache.get(100), Tier::kStore);
                EXPECT_THAT(cache.warnings(), IsEmpty());
                EXPECT_THAT(cache->store()->verify(), IsEmpty());
                EXPECT_EQ(cache->store()->list().size(), 3u);
                EXPECT_EQ(cache.get(200), Tier::kCompiled);
                EXPECT_THAT(cache.warnings(), ::testing::Contains(HasSubstr("not kept")).Times(1));
              }));
  }
  // Nobody's own folder is a fallback only if this one holds nothing.
  EXPECT_EQ(0, as_nobody([&] {
              const Location next = choose({{"XDG_CACHE_HOME", root_ / "missing"}, {"TMPDIR", root_ / "temporary"}});
              EXPECT_EQ(next.directory, root_ / "temporary" / "attnjit-65534");
            }));
  ::chmod((root_ / "named").c_str(), 0775);
  EXPECT_EQ(0, as_nobody([&] { expect_refused(named("named"), "its group may write"); }));
}

/// A folder without the setgid bit, whose members have other groups of their own: the files still belong to the
/// folder's group.
TEST_F(CachePlaces, GroupSharesWithoutSetgid) {
  if (::geteuid() != 0) GTEST_SKIP() << "joining a group needs root";
  constexpr gid_t kGroup = 65531;
  fs::create_directory(root_ / "shared");
  ASSERT_EQ(::chown((root_ / "shared").c_str(), 65530, kGroup), 0);
  ::chmod((root_ / "shared").c_str(), 0770);
  const auto as_member = [&](uid_t user, int first) {
    return run_child([&] {
      return checked([&] {
        const gid_t group = kGroup;
        ASSERT_EQ(::setgroups(1, &group), 0);
        ASSERT_EQ(::setgid(user), 0);
        ASSERT_EQ(::setuid(user), 0);
        ::umask(077);
        WatchedCache cache(choose({{"ATTNJIT_CACHE", root_ / "shared"}, {"ATTNJIT_CACHE_GROUP", "1"}}));
        if (first > 100) {
          EXPECT_EQ(cache.get(100), Tier::kStore);
        }
        cache.expect_serves(first);
        EXPECT_THAT(cache.warnings(), IsEmpty());
      });
    });
  };
  EXPECT_EQ(0, as_member(65528, 100));
  for (const auto& file : fs::directory_iterator(root_ / "shared")) {
    struct stat status;
    ASSERT_EQ(::stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_gid, kGroup) << file.path();
    EXPECT_EQ(status.st_mode & 0777, 0660u) << file.path();
  }
  EXPECT_EQ(0, as_member(65529, 200));
  // The journal too: a process that is killed must not leave one that the others cannot use.
  EXPECT_EQ(0, run_child([&] {
              return checked([&] {
                const gid_t group = kGroup;
                ASSERT_EQ(::setgroups(1, &group), 0);
                ASSERT_EQ(::setgid(65528), 0);
                ASSERT_EQ(::setuid(65528), 0);
                choose({{"ATTNJIT_CACHE", root_ / "shared"}, {"ATTNJIT_CACHE_GROUP", "1"}});
                Database database(root_ / "shared" / "kernels-v1.sqlite", std::chrono::milliseconds(0));
                database.execute("BEGIN IMMEDIATE; DELETE FROM kernels");
                struct stat status;
                ASSERT_EQ(::stat((root_ / "shared" / "kernels-v1.sqlite-journal").c_str(), &status), 0);
                EXPECT_EQ(status.st_gid, kGroup);
                EXPECT_EQ(status.st_mode & 0777, 0660u);
              });
            }));
}

TEST_F(CachePlaces, FolderThatOthersMayWrite) {
  fs::create_directory(root_ / "named");
  ::chmod((root_ / "named").c_str(), 0777);
  expect_refused(named("named"), "everybody may write");
}

TEST_F(CachePlaces, SymbolicLinkIsFollowed) {
  fs::create_directory(root_ / "target");
  ::chmod((root_ / "target").c_str(), 0700);
  fs::create_directory_symlink(root_ / "target", root_ / "named");
  WatchedCache(named("named")).expect_serves();
  WatchedCache next(named("named"));
  EXPECT_EQ(next.get(100), Tier::kStore);
  EXPECT_THAT(next.warnings(), IsEmpty());
}

TEST_F(CachePlaces, WithoutHomeAndXdgTheTemporaryFolderServes) {
  const Variables variables{{"TMPDIR", root_ / "temporary"}};
  WatchedCache(choose(variables)).expect_serves();
  WatchedCache next(choose(variables));
  EXPECT_EQ(next.get(100), Tier::kStore);
  EXPECT_THAT(next.warnings(), IsEmpty());
  EXPECT_EQ(next->location().directory, root_ / "temporary" / ("attnjit-" + std::to_string(::geteuid())).c_str());
}

TEST_F(CachePlaces, WithoutAnyPlaceMemoryServes) {
  WatchedCache cache(choose({{"TMPDIR", root_ / "missing"}}));
  cache.expect_serves();
  EXPECT_THAT(cache.warnings(), ElementsAre(AllOf(HasSubstr("no place on disk"), HasSubstr("HOME: is not set"),
                                                  HasSubstr("temporary folder"))));
  EXPECT_EQ(cache->counters().store_failures, 1);
}

TEST_F(CachePlaces, FolderThatIsDeletedAndComesBack) {
  WatchedCache cache(named("named"));
  cache.expect_serves(100);
  fs::remove_all(root_ / "named");
  cache.expect_serves(200);
  EXPECT_EQ(cache.warnings().size(), 3u);  // to read, to lock, to write
  EXPECT_EQ(cache->counters().store_failures, 9);
  fs::create_directory(root_ / "named");
  cache.expect_serves(300);
  EXPECT_EQ(cache->counters().store_failures, 9);
  WatchedCache next(named("named"));
  EXPECT_EQ(next.get(301), Tier::kStore);
}

// ---- file systems mounted by the test

TEST_F(CachePlaces, ReadOnlyFileSystem) {
  const fs::path place = root_ / "mounted";
  const int status = with_file_system(place, "4m", [&] {
    WatchedCache(place / "cache").expect_serves();  // not there yet: memory
    fs::create_directory(place / "cache");
    WatchedCache(place / "cache").expect_serves();
    ASSERT_EQ(::mount("none", place.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0) << std::strerror(errno);
    expect_refused(named("mounted/other"), "Read-only file system");
    EXPECT_EQ(WatchedCache(named("mounted/cache")).get(100), Tier::kStore);
    // If it holds no kernels, the next place is used.
    const Location next = choose({{"XDG_CACHE_HOME", place}, {"HOME", root_ / "home"}});
    EXPECT_EQ(next.directory, root_ / "home/.cache/attnjit");
    // A cache that stays there reads what exists, and reports once that nothing is kept.
    WatchedCache cache(place / "cache");
    EXPECT_EQ(cache.get(100), Tier::kStore);
    cache.expect_serves(200);
    EXPECT_THAT(cache.warnings(), ::testing::Contains(HasSubstr("not kept")).Times(1));
    EXPECT_EQ(cache->counters().store_failures, 3);
  });
  if (status == kNotPossible) GTEST_SKIP() << kNoMount;
  EXPECT_EQ(status, 0);
}

TEST_F(CachePlaces, FileSystemThatGetsFull) {
  const fs::path place = root_ / "mounted";
  const int status = with_file_system(place, "256k", [&] {
    WatchedCache cache(named("mounted"));
    int stored = 0;
    for (int number = 0; number < 120; ++number) {
      EXPECT_EQ(cache.get(number), Tier::kCompiled);
      stored += cache->counters().store_failures == 0;
    }
    EXPECT_GT(stored, 10);
    EXPECT_GT(cache->counters().store_failures, 10);
    EXPECT_THAT(cache.warnings(), ElementsAre(AllOf(HasSubstr("full"), HasSubstr("not kept"))));
    // Everything kept earlier is still there, for this process and the next, although the disk is full.
    WatchedCache next(named("mounted"));
    for (int number = 0; number < stored; ++number) EXPECT_EQ(next.get(number), Tier::kStore) << number;
    EXPECT_THAT(next->store()->verify(), IsEmpty());
    EXPECT_THAT(next.warnings(), IsEmpty());
  });
  if (status == kNotPossible) GTEST_SKIP() << kNoMount;
  EXPECT_EQ(status, 0);
}

/// Not even room for the lock files.
TEST_F(CachePlaces, FileSystemThatIsFullFromTheStart) {
  const fs::path place = root_ / "mounted";
  const int status = with_file_system(place, "8k", [&] {
    WatchedCache cache(named("mounted"));
    cache.expect_serves();
    EXPECT_GE(cache->counters().store_failures, 1);
    EXPECT_GE(cache.warnings().size(), 1u);
    EXPECT_LE(cache.warnings().size(), 3u);
  });
  if (status == kNotPossible) GTEST_SKIP() << kNoMount;
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace attnjit::cache
