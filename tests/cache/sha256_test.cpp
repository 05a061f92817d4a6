#include "cache/sha256.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "cache/key.h"

namespace attnjit::cache {
namespace {

/// Digest of `message`, passed in chunks of `piece` bytes (0: all at once).
std::string digest(Sha256::Compress compress, std::string_view message, std::size_t piece = 0) {
  Sha256 hash(compress);
  if (piece == 0) piece = message.size() + 1;
  for (std::size_t i = 0; i < message.size(); i += piece) hash.write(message.substr(i, piece));
  return Digest{hash.finish()}.hex();
}

class Sha256Of : public testing::TestWithParam<Sha256::Compress> {};

/// NIST: the examples of FIPS 180-4, and byte-oriented messages of SHAVS (SHA256ShortMsg, SHA256LongMsg).
TEST_P(Sha256Of, GivesNistsVectors) {
  struct Vector {
    std::string message;
    const char* digest;
  };
  const Vector vectors[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrst"
       "u",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
      {"\xd3", "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"},
      {"\x11\xaf", "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98"},
      {std::string(1, '\xbd'), "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"},
      {std::string(55, '\0'), "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7"},
      {std::string(56, '\0'), "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb"},
      {std::string(64, '\0'), "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b"},
  };
  for (const Vector& vector : vectors) {
    for (const std::size_t piece : {0, 1, 63, 64, 65, 1000}) {
      EXPECT_EQ(digest(GetParam(), vector.message, piece), vector.digest) << vector.message.size() << ", " << piece;
      if (vector.message.size() > 10'000 && piece == 0) break;
    }
  }
}

/// The implementations that this processor supports.
std::vector<Sha256::Compress> ways() {
  std::vector<Sha256::Compress> all{Sha256::portable()};
  if (Sha256::of_x86() != nullptr) all.push_back(Sha256::of_x86());
  return all;
}
INSTANTIATE_TEST_SUITE_P(Each, Sha256Of, testing::ValuesIn(ways()));

TEST(Sha256, IsTheSameByEveryWay) {
  std::minstd_rand random(1);
  std::string message;
  for (int size = 0; size < 400; ++size) {
    const std::size_t piece = random() % 130;
    ASSERT_EQ(digest(Sha256::portable(), message), digest(Sha256::fastest(), message, piece)) << size << ", " << piece;
    message.push_back(static_cast<char>(random() >> 8));
  }
}

}  // namespace
}  // namespace attnjit::cache
