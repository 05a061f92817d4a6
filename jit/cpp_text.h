// Just enough C++ lexing to tell code from comments and literals, for stripping comments and finding includes. No
// preprocessor: both branches of an #if count.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attnjit::jit {

/// A piece of C++ text. The pieces of a text, concatenated, are the text.
struct TextPiece {
  enum class Kind {
    kCode,
    kComment,     // from // up to the end of the line (exclusive), or from /* through */
    kLiteral,     // a string or character, including its quotes
    kRawLiteral,  // R"delimiter(...)delimiter"; the R belongs to the code before it
  };
  Kind kind;
  std::string_view text;
};

/// Splits a text. Unclosed constructs (a comment at the end of the file, a quote at the end of a line) end there:
/// reporting them is the compiler's job. The pieces refer to `text`.
std::vector<TextPiece> split_text(std::string_view text);

/// One #include "name" of a text.
struct IncludeLine {
  std::string name;
  int line = 0;  // 1-based
};

/// The quoted includes, in order. <> includes are skipped: they never name templates.
std::vector<IncludeLine> find_includes(std::string_view text);

}  // namespace attnjit::jit
