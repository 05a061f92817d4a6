#include "cache/key.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

/// The grammar of a field, implemented a second time.
std::string length(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  return bytes;
}
std::string field(const std::string& name, const std::string& value) {
  return length(name.size()) + name + "s" + length(value.size()) + value;
}
std::string field(const std::string& name, std::int64_t value) {
  return length(name.size()) + name + "i" + length(8) + length(static_cast<std::uint64_t>(value));
}

TEST(Sha256, GivesTheVectorsOfFips180) {
  EXPECT_EQ(sha256("").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::string(1'000'000, 'a')).hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(DigestBuilder, WritesTheDocumentedBytes) {
  EXPECT_EQ(DigestBuilder().finish(), sha256(""));
  EXPECT_EQ(DigestBuilder().add("name", "value").add("number", -2).finish(),
            sha256(field("name", "value") + field("number", -2)));
}

TEST(DigestBuilder, TakesNoTwoListsForOne) {
  const std::vector<std::function<void(DigestBuilder&)>> lists = {
      [](DigestBuilder&) {},
      [](DigestBuilder& b) { b.add("", ""); },
      [](DigestBuilder& b) { b.add("", "").add("", ""); },
      [](DigestBuilder& b) { b.add("ab", "c"); },
      [](DigestBuilder& b) { b.add("a", "bc"); },
      [](DigestBuilder& b) { b.add("abc", ""); },
      [](DigestBuilder& b) { b.add("", "abc"); },
      [](DigestBuilder& b) { b.add("a", "b").add("c", "d"); },
      [](DigestBuilder& b) { b.add("c", "d").add("a", "b"); },
      [](DigestBuilder& b) { b.add("a", "bcd"); },
      [](DigestBuilder& b) { b.add("a", "b" + field("c", "d")); },
      [](DigestBuilder& b) { b.add("a", 0); },
      [](DigestBuilder& b) { b.add("a", std::string(8, '\0')); },
      [](DigestBuilder& b) { b.add("a", "0"); },
      [](DigestBuilder& b) { b.add("a", 1); },
      [](DigestBuilder& b) { b.add("a", -1); },
      [](DigestBuilder& b) { b.add("a", 256); },
      [](DigestBuilder& b) { b.add("a", std::string("b\0", 2)); },
      [](DigestBuilder& b) { b.add("a", "b"); },
  };
  std::set<std::string> digests;
  for (const auto& list : lists) {
    DigestBuilder builder;
    list(builder);
    digests.insert(builder.finish().hex());
  }
  EXPECT_EQ(digests.size(), lists.size());
}

TEST(KeyFields, KeyIsTheDigestOfAllFieldsInOrder) {
  const KeyFields fields = sample_fields(7);
  EXPECT_EQ(fields.key(), sha256(field("schema", fields.schema) + field("family", fields.family) +
                                 field("config", fields.config) + field("target", fields.target) +
                                 field("options", fields.options) + field("source_digest", fields.source_digest)));
}

TEST(KeyFields, EveryFieldChangesTheKey) {
  const KeyFields base = sample_fields();
  std::set<std::string> keys{base.key().hex()};
  for (std::string KeyFields::*text :
       {&KeyFields::family, &KeyFields::config, &KeyFields::target, &KeyFields::options, &KeyFields::source_digest}) {
    KeyFields changed = base;
    (changed.*text) += "x";
    keys.insert(changed.key().hex());
  }
  KeyFields changed = base;
  ++changed.schema;
  keys.insert(changed.key().hex());
  EXPECT_EQ(keys.size(), 7u);
}

}  // namespace
}  // namespace attnjit::cache
