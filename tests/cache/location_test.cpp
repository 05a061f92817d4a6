#include "cache/location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
namespace fs = std::filesystem;

Getenv environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

unsigned mode_of(const fs::path& path) {
  struct stat status = {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class LocationTest : public ::testing::Test {
 protected:
  LocationTest() {
    for (const char* name : {"home", "temporary"}) fs::create_directory(root_ / name);
    ::chmod((root_ / "temporary").c_str(), 01777);
    temporary_ = root_.path() / "temporary" / ("attnjit-" + std::to_string(::geteuid()));
  }
  std::string in_root(const char* name) const { return (root_.path() / name).string(); }
  std::map<std::string, std::string> all() const {
    return {{"ATTNJIT_CACHE", in_root("named")},
            {"XDG_CACHE_HOME", in_root("xdg")},
            {"HOME", in_root("home")},
            {"TMPDIR", in_root("temporary")}};
  }
  /// ATTNJIT_CACHE names `place`, with the temporary folder for key locks.
  Location named(const fs::path& place, const std::string& group = "") const {
    return choose_location("", environment({{"ATTNJIT_CACHE", place.string()},
                                            {"ATTNJIT_CACHE_GROUP", group},
                                            {"HOME", in_root("home")},
                                            {"TMPDIR", in_root("temporary")}}));
  }

  TemporaryDirectory root_;
  fs::path temporary_;
};

TEST_F(LocationTest, GoesDownTheOrder) {
  auto variables = all();
  const auto chosen = [&](const std::string& wanted = "") { return choose_location(wanted, environment(variables)); };
  EXPECT_EQ(chosen(in_root("wanted/deep")).directory, root_ / "wanted/deep");
  EXPECT_EQ(chosen().directory, root_ / "named");
  variables["ATTNJIT_CACHE"] = "";  // an empty value counts as not set
  EXPECT_EQ(chosen().directory, root_ / "xdg/attnjit");
  EXPECT_EQ(chosen().reason, "XDG_CACHE_HOME");
  variables["XDG_CACHE_HOME"] = "relative";
  EXPECT_EQ(chosen().directory, root_ / "home/.cache/attnjit");
  EXPECT_THAT(chosen().rejected, ElementsAre(AllOf(StartsWith("XDG_CACHE_HOME"), HasSubstr("absolute"))));
  variables.erase("HOME");
  EXPECT_EQ(chosen().directory, temporary_);
  EXPECT_THAT(chosen().rejected,
              ElementsAre(StartsWith("XDG_CACHE_HOME"), AllOf(StartsWith("HOME"), HasSubstr("not set"))));
  variables["TMPDIR"] = in_root("missing");
  const Location none = chosen();
  EXPECT_EQ(none.directory, std::nullopt);
  EXPECT_EQ(none.rejected.size(), 3u);
  EXPECT_THAT(none.reason, HasSubstr("memory only"));
}

TEST_F(LocationTest, MakesPrivateDirectories) {
  const mode_t before = ::umask(0);
  const Location location = choose_location(in_root("a/b/c"), environment({}));
  ::umask(before);
  ASSERT_EQ(location.directory, root_ / "a/b/c");
  for (const char* made : {"a", "a/b", "a/b/c"}) EXPECT_EQ(mode_of(root_ / made), 0700u) << made;
}

TEST_F(LocationTest, HomeThatDoesNotExistIsNotMade) {
  auto variables = all();
  variables.erase("ATTNJIT_CACHE");
  variables.erase("XDG_CACHE_HOME");
  variables["HOME"] = in_root("nonexistent");
  EXPECT_EQ(choose_location("", environment(variables)).directory, temporary_);
  EXPECT_FALSE(fs::exists(root_ / "nonexistent"));
}

TEST_F(LocationTest, MemoryOnRequestTouchesNoFile) {
  for (const bool by_name : {true, false}) {
    auto variables = all();
    variables["ATTNJIT_CACHE"] = by_name ? in_root("named") : ":memory:";
    const Location location = choose_location(by_name ? ":memory:" : "", environment(variables));
    EXPECT_EQ(location.directory, std::nullopt);
    EXPECT_THAT(location.reason, HasSubstr("asks for memory only"));
    EXPECT_THAT(location.rejected, IsEmpty());
  }
  EXPECT_TRUE(fs::is_empty(root_ / "temporary"));
  EXPECT_FALSE(fs::exists(root_ / "named"));
}

TEST_F(LocationTest, DirectoryThatOthersMayWriteIsRefused) {
  fs::create_directory(root_ / "named");
  for (const unsigned mode : {0777u, 01777u, 0702u}) {
    ::chmod(in_root("named").c_str(), mode);
    for (const char* group : {"", "1"}) {
      const Location location = named(root_ / "named", group);
      EXPECT_EQ(location.directory, std::nullopt) << std::oct << mode;
      EXPECT_THAT(location.rejected, ElementsAre(AllOf(HasSubstr("everybody"), HasSubstr(in_root("named")))));
    }
  }
}

TEST_F(LocationTest, GroupMayWriteOnlyWhenAskedFor) {
  fs::create_directory(root_ / "named");
  ::chmod(in_root("named").c_str(), 0770);
  for (const char* group : {"", "0", "yes"}) {
    const Location location = named(root_ / "named", group);
    EXPECT_EQ(location.directory, std::nullopt) << group;
    EXPECT_THAT(location.rejected, ElementsAre(HasSubstr("ATTNJIT_CACHE_GROUP=1")));
  }
  EXPECT_EQ(named(root_ / "named", "1").directory, root_ / "named");
}

TEST_F(LocationTest, OwnSymbolicLinkIsFollowedWithOrWithoutSlash) {
  fs::create_directory(root_ / "target");
  ::chmod(in_root("target").c_str(), 0700);
  fs::create_directory_symlink(root_ / "target", root_ / "link");
  for (const char* spelling : {"link", "link/", "link//", "target//"}) {
    EXPECT_EQ(named(in_root(spelling)).directory, root_ / "target") << spelling;
  }
  ::chmod(in_root("target").c_str(), 0777);
  EXPECT_THAT(named(in_root("link")).rejected, ElementsAre(HasSubstr("everybody may write")));
  fs::remove(root_ / "target");
  EXPECT_THAT(named(in_root("link")).rejected, ElementsAre(HasSubstr("symbolic link to what cannot be read")));
}

TEST_F(LocationTest, SymbolicLinkAtTheDefaultPlaceIsFollowed) {
  fs::create_directories(root_ / "home/.cache");
  fs::create_directory(root_ / "disk");
  ::chmod(in_root("disk").c_str(), 0700);
  fs::create_directory_symlink(root_ / "disk", root_ / "home/.cache/attnjit");
  EXPECT_EQ(choose_location("", environment({{"HOME", in_root("home")}})).directory, root_ / "disk");
}

TEST_F(LocationTest, SymbolicLinkInTheTemporaryFolderIsRefused) {
  fs::create_directory(root_ / "target");
  ::chmod(in_root("target").c_str(), 0700);
  fs::create_directory_symlink(root_ / "target", temporary_);
  const Location location = choose_location("", environment({{"TMPDIR", in_root("temporary")}}));
  EXPECT_EQ(location.directory, std::nullopt);
  EXPECT_THAT(location.rejected.back(), HasSubstr("symbolic link"));
}

TEST_F(LocationTest, SymbolicLinkOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a link to another user needs root";
  fs::create_directory(root_ / "target");
  ::chmod(in_root("target").c_str(), 0700);
  fs::create_directory_symlink(root_ / "target", root_ / "link");
  ASSERT_EQ(::lchown(in_root("link").c_str(), 65534, 65534), 0);
  EXPECT_THAT(named(in_root("link")).rejected, ElementsAre(HasSubstr("symbolic link of user 65534")));
}

TEST_F(LocationTest, FileIsRefused) {
  std::ofstream(root_ / "named") << "x";
  EXPECT_THAT(named(root_ / "named").rejected, ElementsAre(HasSubstr("not a directory")));
  EXPECT_THAT(named(root_ / "named/below").rejected, ElementsAre(HasSubstr("cannot be created")));
}

TEST_F(LocationTest, NamedPlaceIsNotReplacedByAnother) {
  std::ofstream(root_ / "named") << "x";
  const Location location = choose_location("", environment(all()));
  EXPECT_EQ(location.directory, std::nullopt);
  EXPECT_THAT(location.reason, AllOf(HasSubstr("memory only"), HasSubstr("ATTNJIT_CACHE")));
  EXPECT_FALSE(fs::exists(root_ / "xdg"));
}

TEST_F(LocationTest, TemporaryFolderWithoutStickyBitIsRefused) {
  ::chmod(in_root("temporary").c_str(), 0777);
  const Location location = choose_location("", environment({{"TMPDIR", in_root("temporary")}}));
  EXPECT_EQ(location.directory, std::nullopt);
  EXPECT_THAT(location.rejected.back(), HasSubstr("sticky"));
}

/// Runs as an ordinary user, because root can write to any directory. Only root can become another user.
int as_nobody(const std::function<int()>& body) {
  return run_child([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 98;
    return body();
  });
}

TEST_F(LocationTest, ReadOnlyParentIsRefused) {
  ::chmod(root_.path().c_str(), 0755);
  fs::create_directory(root_ / "parent");
  ::chmod(in_root("parent").c_str(), 0555);
  EXPECT_EQ(0, as_nobody([&] {
              const Location location = choose_location(in_root("parent/cache"), environment({}));
              if (location.directory) return 1;
              return location.rejected.at(0).find("cannot be created") == std::string::npos ? 2 : 0;
            }));
}

TEST_F(LocationTest, ReadOnlyDirectoryIsRefused) {
  if (::geteuid() != 0) {
    fs::create_directory(root_ / "cache");
  } else {
    ::chmod(root_.path().c_str(), 0755);
    fs::create_directory(root_ / "cache");
    ASSERT_EQ(::chown(in_root("cache").c_str(), 65534, 65534), 0);
  }
  ::chmod(in_root("cache").c_str(), 0555);
  EXPECT_EQ(0, as_nobody([&] {
              const Location location = choose_location(in_root("cache"), environment({}));
              if (location.directory) return 1;
              return location.rejected.at(0).find("cannot be written") == std::string::npos ? 2 : 0;
            }));
}

TEST_F(LocationTest, DirectoryOfAnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving a directory to another user needs root";
  ::chmod(root_.path().c_str(), 0755);
  fs::create_directory(root_ / "cache");
  ASSERT_EQ(::chown(in_root("cache").c_str(), 65533, 65534), 0);
  ::chmod(in_root("cache").c_str(), 0770);
  const auto usable = [&](const char* group) {
    return as_nobody([&] {
      return choose_location(in_root("cache"), environment({{"ATTNJIT_CACHE_GROUP", group}})).directory ? 1 : 0;
    });
  };
  EXPECT_EQ(usable("0"), 0);
  EXPECT_EQ(usable("1"), 1) << "the group of the directory is ours and sharing was asked for";
  ::chmod(in_root("cache").c_str(), 0755);
  EXPECT_EQ(usable("1"), 0);
}

}  // namespace
}  // namespace attnjit::cache
