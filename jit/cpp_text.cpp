#include "jit/cpp_text.h"

#include <algorithm>
#include <cstddef>

namespace attnjit::jit {
namespace {

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Each member takes the position `begin` of a token and returns the position after it.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t line_comment_end(std::size_t begin) const {
    std::size_t end = text_.find('\n', begin);
    // A backslash at the end of a line continues the comment on the next line.
    while (end != std::string_view::npos && text_[end - 1] == '\\') end = text_.find('\n', end + 1);
    return std::min(end, text_.size());
  }

  std::size_t block_comment_end(std::size_t begin) const {
    const std::size_t close = text_.find("*/", begin + 2);
    return close == std::string_view::npos ? text_.size() : close + 2;
  }

  std::size_t quoted_end(std::size_t begin) const {
    const char quote = text_[begin];
    for (std::size_t at = begin + 1; at < text_.size(); ++at) {
      if (text_[at] == '\\') {
        ++at;
      } else if (text_[at] == quote) {
        return at + 1;
      } else if (text_[at] == '\n') {
        return at;
      }
    }
    return text_.size();
  }

  /// `begin` is at the quote. If the literal is unclosed or its delimiter invalid, it extends to the end of the text.
  std::size_t raw_end(std::size_t begin) const {
    const std::size_t open = text_.find('(', begin);
    if (open == std::string_view::npos) return text_.size();
    const std::string close = ")" + std::string(text_.substr(begin + 1, open - begin - 1)) + "\"";
    const std::size_t at = text_.find(close, open + 1);
    return at == std::string_view::npos ? text_.size() : at + close.size();
  }

  /// A word or a number. A number includes its digit separators (1'000), which do not start character literals.
  std::size_t word_end(std::size_t begin) const {
    const bool number = is_digit(text_[begin]);
    std::size_t at = begin;
    while (at < text_.size() &&
           (is_word(text_[at]) || (number && text_[at] == '\'' && at + 1 < text_.size() && is_word(text_[at + 1])))) {
      ++at;
    }
    return at;
  }

 private:
  std::string_view text_;
};

bool opens_raw_literal(std::string_view prefix) {
  return prefix == "R" || prefix == "LR" || prefix == "uR" || prefix == "UR" || prefix == "u8R";
}

/// Skips blanks and then `word`; returns an empty result if `word` does not follow.
std::string_view after_word(std::string_view line, std::string_view word) {
  const std::size_t at = line.find_first_not_of(" \t");
  if (at == std::string_view::npos || !line.substr(at).starts_with(word)) return {};
  return line.substr(at + word.size());
}

}  // namespace

std::vector<TextPiece> split_text(std::string_view text) {
  using Kind = TextPiece::Kind;
  const Scanner scanner(text);
  std::vector<TextPiece> pieces;
  std::size_t code_begin = 0;
  std::size_t at = 0;
  const auto take = [&](Kind kind, std::size_t end) {
    if (at > code_begin) pieces.push_back({Kind::kCode, text.substr(code_begin, at - code_begin)});
    pieces.push_back({kind, text.substr(at, end - at)});
    at = code_begin = end;
  };
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("//")) {
      take(Kind::kComment, scanner.line_comment_end(at));
    } else if (rest.starts_with("/*")) {
      take(Kind::kComment, scanner.block_comment_end(at));
    } else if (rest.front() == '"' || rest.front() == '\'') {
      take(Kind::kLiteral, scanner.quoted_end(at));
    } else if (is_word(rest.front())) {
      const std::size_t end = scanner.word_end(at);
      const bool raw = end < text.size() && text[end] == '"' && opens_raw_literal(text.substr(at, end - at));
      at = end;
      if (raw) take(Kind::kRawLiteral, scanner.raw_end(at));
    } else {
      ++at;
    }
  }
  if (at > code_begin) pieces.push_back({Kind::kCode, text.substr(code_begin)});
  return pieces;
}

std::vector<IncludeLine> find_includes(std::string_view text) {
  // Comments and raw strings are blanked out, so neither can look like a directive, and line numbers are kept.
  std::string blanked;
  blanked.reserve(text.size());
  for (const TextPiece& piece : split_text(text)) {
    const bool keep = piece.kind == TextPiece::Kind::kCode || piece.kind == TextPiece::Kind::kLiteral;
    for (const char c : piece.text) blanked += keep || c == '\n' ? c : ' ';
  }

  std::vector<IncludeLine> includes;
  int line_number = 0;
  for (std::size_t begin = 0; begin < blanked.size();) {
    const std::size_t end = std::min(blanked.find('\n', begin), blanked.size());
    ++line_number;
    std::string_view line = std::string_view(blanked).substr(begin, end - begin);
    begin = end + 1;
    line = after_word(after_word(after_word(line, "#"), "include"), "\"");
    if (const std::size_t close = line.find('"'); close != std::string_view::npos) {
      includes.push_back({std::string(line.substr(0, close)), line_number});
    }
  }
  return includes;
}

}  // namespace attnjit::jit
