// Just enough C++ lexing to tell code from comments and literals; comments are stripped and includes are found
// with it. No preprocessor: both branches of an #if count.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attnjit::jit {

/// A stretch of C++ text. The pieces of a text, joined, are the text.
struct TextPiece {
  enum class Kind {
    kCode,
    kComment,     // from // up to but without the line's end, or from /* through */
    kLiteral,     // a string or character, its quotes included
    kRawLiteral,  // R"delimiter(...)delimiter", the R belongs to the code before it
  };
  Kind kind;
  std::string_view text;
};

/// Splits a text. What is not closed (a comment at the end of the file, a quote at the end of a line) ends there:
/// the compiler is the one to complain. The pieces refer to `text`.
std::vector<TextPiece> split_text(std::string_view text);

/// One #include "name" of a text.
struct IncludeLine {
  std::string name;
  int line = 0;  // counted from 1
};

/// The quoted includes in order. Includes in <> are none of the templates' and are left out.
std::vector<IncludeLine> find_includes(std::string_view text);

}  // namespace attnjit::jit
