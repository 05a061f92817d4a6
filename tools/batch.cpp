#include "tools/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "attnjit/error.hpp"

namespace attnjit::tools {
namespace {

constexpr int kMaxCount = 1 << 16;
constexpr int kMaxLength = 1 << 24;

/// Parses a number from 0 to `limit` at the start of the text and removes it; false if there is none.
bool take_number(std::string_view& text, int limit, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > limit) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take(std::string_view& text, char letter) {
  if (text.empty() || text.front() != letter) return false;
  text.remove_prefix(1);
  return true;
}

bool take_length(std::string_view& text, int& length) {
  if (!take_number(text, kMaxLength, length)) return false;
  if (take(text, 'k')) length *= 1024;
  return length <= kMaxLength;
}

bool add_segment(std::string_view text, Batch& batch) {
  int count = 1;
  int len_q = 0;
  if (!text.starts_with('q') && !take_number(text, kMaxCount, count)) return false;
  if (!take(text, 'q') || !take_length(text, len_q)) return false;
  int len_k = len_q;
  int offset = 0;
  if (take(text, 's') && !take_length(text, len_k)) return false;
  if (take(text, 'o') && !take_length(text, offset)) return false;
  if (!text.empty()) return false;
  batch.len_q.insert(batch.len_q.end(), static_cast<std::size_t>(count), len_q);
  batch.len_k.insert(batch.len_k.end(), static_cast<std::size_t>(count), len_k);
  batch.offset.insert(batch.offset.end(), static_cast<std::size_t>(count), offset);
  return true;
}

}  // namespace

bool Batch::has_offsets() const {
  return std::ranges::any_of(offset, [](int position) { return position != 0; });
}

States parse_states(const std::string& text) {
  States states;
  std::string_view rest = text;
  const bool counted = rest.starts_with('t') || take_number(rest, kMaxCount, states.count);
  if (!counted || !take(rest, 't') || !take_length(rest, states.tokens) || !rest.empty()) {
    throw Error(
        Status::kInvalidArgument,
        fmt::format("\"{}\" is not [count]t<tokens>[k], for example t70, 3t2k; tokens up to {}", text, kMaxLength));
  }
  return states;
}

Batch parse_batch(const std::string& text) {
  Batch batch;
  std::string_view rest = text;
  for (;;) {
    const std::string_view segment = rest.substr(0, rest.find('_'));
    if (!add_segment(segment, batch)) {
      throw Error(
          Status::kInvalidArgument,
          fmt::format("\"{}\" of batch \"{}\" is not [count]q<len>[k][s<len>[k]][o<position>[k]], for example q70, "
                      "3q1s2k, q128s1k_q3; lengths up to {}",
                      segment, text, kMaxLength));
    }
    if (segment.size() == rest.size()) return batch;
    rest.remove_prefix(segment.size() + 1);
  }
}

}  // namespace attnjit::tools
