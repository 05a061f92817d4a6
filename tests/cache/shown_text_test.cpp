#include "cache/shown_text.h"

#include <gtest/gtest.h>

#include "attnjit/error.hpp"

namespace attnjit {
namespace {

TEST(ShownText, LeavesTextAlone) {
  const std::string text = "sm80_mha_varlen {\"a\":1} \\ caf\u00e9 \u4e2d \U0001f600";
  EXPECT_EQ(shown_line(text), text);
  EXPECT_EQ(shown_lines(text), text);
  EXPECT_EQ(shown_line(""), "");
}

TEST(ShownText, ControlCharactersAreWrittenOut) {
  EXPECT_EQ(shown_line("a\x1b[2Jb\x7f\x07\r"), "a\\u001b[2Jb\\u007f\\u0007\\u000d");
  EXPECT_EQ(shown_line(std::string("a\0b", 3)), "a\\u0000b");
  EXPECT_EQ(shown_line("\u009b2J"), "\\u009b2J") << "of C1: a terminal takes it for ESC [";
  EXPECT_EQ(shown_line("\u202etxt.exe\u2069"), "\\u202etxt.exe\\u2069");
}

TEST(ShownText, LinesStayWhereLinesAreShown) {
  EXPECT_EQ(shown_lines("a\n\tb"), "a\n\tb");
  EXPECT_EQ(shown_line("a\n\tb"), "a\\n\\tb");
}

TEST(ShownText, WhatIsNoUtf8IsWrittenByteByByte) {
  EXPECT_EQ(shown_line("a\xff"
                       "b"),
            "a\\xffb");
  EXPECT_EQ(shown_line("\xc3"), "\\xc3");                             // truncated
  EXPECT_EQ(shown_line("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(shown_line("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // half of a surrogate pair
  EXPECT_EQ(shown_line("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond Unicode
  EXPECT_EQ(shown_line("\xe4\xb8"
                       "x"),
            "\\xe4\\xb8x");
}

TEST(ShownText, IsWhatErrorsSay) {
  EXPECT_STREQ(Error(Status::kInternal, "/a\xff/\x1b[2Jb:\n\tc").what(), "/a\\xff/\\u001b[2Jb:\n\tc");
  EXPECT_STREQ(CompileError("\x07", {}).what(), "\\u0007");
}

}  // namespace
}  // namespace attnjit
