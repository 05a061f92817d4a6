#include "jit/templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnjit/error.hpp"
#include "fixtures.h"
#include "jit/cpp_text.h"

namespace attnjit::jit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// ---- where templates come from ---------------------------------------------------------------------------------

TEST(Templates, EmbeddedAreThoseOfTheSourceTree) {
  const Templates& embedded = Templates::embedded();
  EXPECT_FALSE(embedded.overridden());
  EXPECT_FALSE(embedded.files().empty());
  const Templates tree = Templates::from_directory(TEMPLATE_SOURCE_DIR);
  EXPECT_EQ(embedded.files().size(), tree.files().size());
  for (const auto& [name, text] : tree.files()) {
    ASSERT_TRUE(embedded.files().contains(name)) << name;
    EXPECT_TRUE(embedded.files().at(name) == text) << name << " has changed since the build";
  }
}

TEST(Templates, DirectoryGivesHeadersByRootRelativeName) {
  const test::TempDir folder;
  folder.write("kernels/a.cuh", "// a\n");
  folder.write("shared/b.h", "// b");
  folder.write("notes.txt", "none of it");
  const Templates templates = Templates::from_directory(folder.path() / "kernels" / "..");
  EXPECT_TRUE(templates.overridden());
  EXPECT_EQ(templates.origin(), folder.path().string() + "/");
  EXPECT_THAT(templates.files(),
              ElementsAre(testing::Pair("kernels/a.cuh", "// a\n"), testing::Pair("shared/b.h", "// b")));
}

TEST(Templates, DirectoryWithoutHeadersIsAnError) {
  const test::TempDir folder;
  for (const auto& path : {folder.path(), folder.path() / "missing"}) {
    try {
      Templates::from_directory(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kInvalidArgument);
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
    }
  }
}

TEST(Templates, ZeroByteIsAnError) {
  EXPECT_THROW(test::templates_of({{"a.h", std::string("int a;\0 int b;", 14)}}), Error);
}

// ---- closure ---------------------------------------------------------------------------------------------------

TEST(Closure, IsInOrderOfFirstInclusion) {
  const Templates templates = test::templates_of({
      {"kernels/k.cuh", "#include \"core/b.cuh\"\n#include \"core/a.cuh\"\n"},
      {"core/a.cuh", "#include \"shared/t.h\"\n"},
      {"core/b.cuh", "  #  include   \"shared/t.h\" // types\n#include \"core/a.cuh\"\n"},
      {"shared/t.h", "#include <cstdint>\n"},
      {"core/unused.cuh", ""},
  });
  EXPECT_THAT(templates.closure("kernels/k.cuh"),
              ElementsAre("kernels/k.cuh", "core/b.cuh", "shared/t.h", "core/a.cuh"));
}

TEST(Closure, EndsInACycle) {
  const Templates templates = test::templates_of({
      {"a.cuh", "#pragma once\n#include \"b.cuh\"\n"},
      {"b.cuh", "#pragma once\n#include \"a.cuh\"\n#include \"b.cuh\"\n"},
  });
  EXPECT_THAT(templates.closure("b.cuh"), ElementsAre("b.cuh", "a.cuh"));
}

TEST(Closure, MissingIncludeNamesFileAndLine) {
  const Templates templates = test::templates_of({
      {"kernels/k.cuh", "#include \"core/a.cuh\"\n"},
      {"core/a.cuh", "/* two\n lines */\n\n#include \"b.cuh\"\n"},
      {"core/b.cuh", ""},
  });
  try {
    templates.closure("kernels/k.cuh");
    FAIL() << "a sibling's bare name must not be found: NVRTC would not find it either";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("core/a.cuh:4:"));
    EXPECT_THAT(error.what(), HasSubstr("\"b.cuh\""));
    EXPECT_THAT(error.what(), HasSubstr(templates.origin()));
  }
}

TEST(Closure, MissingHeaderIsAnError) {
  const Templates templates = test::templates_of({{"a.h", ""}});
  EXPECT_THROW(templates.closure("kernels/none.cuh"), Error);
}

TEST(Closure, TextHoldsNamesAndTexts) {
  const auto text_of = [](const std::string& a, const std::string& b) {
    return test::templates_of({{"a.h", a}, {"b.h", b}}).closure_text("a.h");
  };
  EXPECT_EQ(text_of("#include \"b.h\"", "int b;\n"), "#file \"a.h\"\n#include \"b.h\"\n#file \"b.h\"\nint b;\n");
  // The same characters split differently between files are another closure.
  EXPECT_NE(text_of("#include \"b.h\"\nint a;\n", "int b;\n"), text_of("#include \"b.h\"\n", "int a;\nint b;\n"));
  // A file that is not included does not count.
  EXPECT_EQ(text_of("int a;", "int b;"), text_of("int a;", "int c;"));
}

TEST(FindIncludes, SkipsCommentsAndRawStrings) {
  const auto includes = find_includes(
      "// #include \"a\"\n"
      "/* \n#include \"b\"\n*/ #include \"c\"\n"
      "const char* s = R\"x(\n#include \"d\"\n)x\";\n"
      "const char* t = \"#include \\\"e\\\"\";\n"
      "#include <f>\n"
      "#\tinclude\t\"g//h\"\n"
      "#define include \"i\"\n");
  ASSERT_EQ(includes.size(), 2u);
  EXPECT_EQ(includes[0].name, "c");
  EXPECT_EQ(includes[0].line, 4);
  EXPECT_EQ(includes[1].name, "g//h");
  EXPECT_EQ(includes[1].line, 10);
}

// ---- comments --------------------------------------------------------------------------------------------------

TEST(StripComments, RemovesCommentsBlankLinesAndBlanks) {
  EXPECT_EQ(strip_comments("// head\n\n  int a; // tail  \n\t\n/* block\n   of lines */\nint   b;   \n"),
            "int a;\nint b;\n");
  EXPECT_EQ(strip_comments(""), "");
  EXPECT_EQ(strip_comments("// only"), "");
  EXPECT_EQ(strip_comments("no newline"), "no newline\n");
}

TEST(StripComments, ACommentStillSeparates) {
  EXPECT_EQ(strip_comments("int/**/a;"), "int a;\n");
  EXPECT_EQ(strip_comments("a /* x */ + /* y */ b"), "a + b\n");
}

TEST(StripComments, StringsAndCharactersStay) {
  EXPECT_EQ(strip_comments(R"(s = "a // b /* c */"; // d)"), "s = \"a // b /* c */\";\n");
  EXPECT_EQ(strip_comments(R"(s = "quote \" // in"; // d)"), "s = \"quote \\\" // in\";\n");
  EXPECT_EQ(strip_comments("c = '\"'; // d \"\nd = '\\''; // e"), "c = '\"';\nd = '\\'';\n");
  EXPECT_EQ(strip_comments("s = \"two  blanks\";"), "s = \"two  blanks\";\n");
}

TEST(StripComments, RawStringsStay) {
  const std::string raw = "s = R\"x(// a\n\n  /* b */ )\" \n)x\";\n";
  EXPECT_EQ(strip_comments(raw + "// c\n"), raw);
  EXPECT_EQ(strip_comments("s = u8R\"(/* \")\"; // c"), "s = u8R\"(/* \")\";\n");
  EXPECT_EQ(strip_comments("s = FOUR\"(\"; // c"), "s = FOUR\"(\";\n");  // R ends a longer name: not a raw string
}

TEST(StripComments, DigitSeparatorsAreNoCharacters) {
  EXPECT_EQ(strip_comments("n = 1'000'000; // it's"), "n = 1'000'000;\n");
  EXPECT_EQ(strip_comments("n = 0x1'f; c = u8'x'; // it's"), "n = 0x1'f; c = u8'x';\n");
}

TEST(StripComments, ALineCommentContinuesBehindABackslash) {
  EXPECT_EQ(strip_comments("a // b \\\n still comment\nc"), "a\nc\n");
}

TEST(StripComments, WhatIsNotClosedEndsTheText) {
  EXPECT_EQ(strip_comments("a /* b"), "a\n");
  EXPECT_EQ(strip_comments("s = \"open\nb // c"), "s = \"open\nb\n");
  EXPECT_EQ(strip_comments("s = R\"x(open // c"), "s = R\"x(open // c\n");
  EXPECT_EQ(strip_comments("s = \"\\"), "s = \"\\\n");
}

TEST(StripComments, AClosureChangesWithMeaningOnly) {
  const auto stripped = [](const std::string& text) {
    return strip_comments(test::templates_of({{"k.cuh", text}}).closure_text("k.cuh"));
  };
  const std::string text = stripped("int a = 1;\nint b;\n");
  EXPECT_EQ(stripped("// why\nint a = 1;   // the first\n\n\n  int b; /* and\n more */"), text);
  EXPECT_NE(stripped("int a = 2;\nint b;\n"), text);
}

TEST(SplitText, PiecesJoinedAreTheText) {
  for (const auto& [name, text] : Templates::embedded().files()) {
    std::string joined;
    for (const TextPiece& piece : split_text(text)) {
      EXPECT_FALSE(piece.text.empty()) << name;
      joined += piece.text;
    }
    EXPECT_EQ(joined, text) << name;
  }
  EXPECT_THAT(split_text(""), IsEmpty());
}

}  // namespace
}  // namespace attnjit::jit
