// States that look like damage but are not.
#include "cache/damage.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

TEST(Damage, IsNotAPageThatCouldNotBeRead) {
  for (const char* words :
       {"*** in database main ***\nOn tree page 4 cell 1: failed to get page 7",
        "Tree 4 page 4: unable to get the page. error code=10", "On page 9: unable to get the page. error code=522"}) {
    EXPECT_TRUE(says_that_a_read_failed(words)) << words;
  }
  for (const char* words : {"ok", "Tree 4 page 4: unable to get the page. error code=11", "Page 12 is never used",
                            "database disk image is malformed"}) {
    EXPECT_FALSE(says_that_a_read_failed(words)) << words;
  }
}

TEST(Damage, IsNotATransactionThatMayBeRolledBack) {
  TemporaryDirectory directory;
  const std::filesystem::path journal = directory / "journal";
  EXPECT_FALSE(may_be_rolled_back(journal));
  std::ofstream(journal) << std::string(600, '\0');
  EXPECT_FALSE(may_be_rolled_back(journal)) << "kept for the next transaction";
  std::ofstream(journal) << "\xd9\xd5\x05\xf9";
  EXPECT_TRUE(may_be_rolled_back(journal));
}

}  // namespace
}  // namespace attnjit::cache
