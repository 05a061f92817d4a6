#include "cache/shown_text.h"

#include <fmt/format.h>

#include <cstdint>

#include "attnjit/error.hpp"

namespace attnjit {
namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  // 0: no valid UTF-8 here
};

/// Only the shortest form is UTF-8, and surrogates are not (RFC 3629).
CodePoint first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >> 5 == 0x6 ? 2 : lead >> 4 == 0xe ? 3 : lead >> 3 == 0x1e ? 4 : 0;
  if (bytes == 0 || text.size() < bytes) return {};
  std::uint32_t value = lead & (0x7fu >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if (byte(i) >> 6 != 0x2) return {};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[bytes] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return {};
  return {value, bytes};
}

bool commands_the_reader(std::uint32_t value) {
  const auto within = [&](std::uint32_t first, std::uint32_t last) { return value >= first && value <= last; };
  return value < 0x20 || within(0x7f, 0x9f) ||                          // control characters
         within(0x200e, 0x200f) || within(0x2028, 0x202e) ||            // direction, line separators
         within(0x2066, 0x2069) || value == 0x061c || value == 0xfeff;  // direction, byte order mark
}

std::string shown(std::string_view text, bool whole_lines) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_of(text);
    const std::size_t bytes = point.bytes == 0 ? 1 : point.bytes;
    const char letter = text.front();
    if (point.bytes == 0) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(letter));
    } else if (letter == '\n' || letter == '\t') {
      result += whole_lines ? std::string(1, letter) : letter == '\n' ? "\\n" : "\\t";
    } else if (commands_the_reader(point.value)) {
      result += fmt::format("\\u{:04x}", point.value);
    } else {
      result += text.substr(0, bytes);
    }
    text.remove_prefix(bytes);
  }
  return result;
}

}  // namespace

std::string shown_line(std::string_view text) { return shown(text, /*whole_lines=*/false); }
std::string shown_lines(std::string_view text) { return shown(text, /*whole_lines=*/true); }

Error::Error(Status status, const std::string& message) : std::runtime_error(shown_lines(message)), status_(status) {}

}  // namespace attnjit
