#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "jit/embedded_files.h"

namespace attnjit_embed_test {

extern const attnjit::jit::EmbeddedFile kEmbeddedFiles[];
extern const std::size_t kEmbeddedFileCount;

namespace {

std::string text_of(const attnjit::jit::EmbeddedFile& file) {
  return std::string(reinterpret_cast<const char*>(file.text), file.size);
}

TEST(EmbedTemplates, KeepsEveryByte) {
  ASSERT_EQ(kEmbeddedFileCount, 2u);
  EXPECT_EQ(std::string(kEmbeddedFiles[0].name), "empty.h");
  EXPECT_EQ(text_of(kEmbeddedFiles[0]), "");

  EXPECT_EQ(std::string(kEmbeddedFiles[1].name), "odd/bytes.cuh");
  std::ifstream stream(EMBED_ROOT "/odd/bytes.cuh", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_GT(bytes.size(), 80u);
  EXPECT_NE(bytes.find(";;c [x] ]]"), std::string::npos);
  EXPECT_EQ(text_of(kEmbeddedFiles[1]), bytes);
}

}  // namespace
}  // namespace attnjit_embed_test
