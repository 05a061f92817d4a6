#include "cache/size_limit.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "attnjit/error.hpp"

namespace attnjit::cache {
namespace {

constexpr const char* kMaxSizeVariable = "ATTNJIT_CACHE_MAX_SIZE";
constexpr std::string_view kUnits = "KMGT";

/// 1, 1024, ... for "", "K", "KB", "KiB", case-insensitive; 0 if not a unit.
double unit_of(std::string_view text) {
  if (text.empty()) return 1;
  const std::size_t power = kUnits.find(static_cast<char>(std::toupper(static_cast<unsigned char>(text[0]))));
  text.remove_prefix(1);
  const bool known = power != std::string_view::npos && (text.empty() || text == "B" || text == "b" || text == "iB");
  return known ? std::ldexp(1.0, 10 * (static_cast<int>(power) + 1)) : 0;
}

}  // namespace

std::int64_t parse_size(const std::string& name, std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  const double unit = unit_of(text.substr(static_cast<std::size_t>(end - text.data())));
  const double bytes = number * unit;
  // 2^62: smaller values fit, and no disk is that large.
  if (error != std::errc() || unit == 0 || !(bytes >= 0 && bytes < std::ldexp(1.0, 62))) {
    throw Error(Status::kInvalidArgument,
                fmt::format("{} is \"{}\"; it takes a number of bytes such as 500M or 2G (K, M, G and T are powers of "
                            "1024), or 0 for no limit",
                            name, text));
  }
  return static_cast<std::int64_t>(bytes);
}

std::int64_t max_bytes_of_environment(const Getenv& getenv) {
  const std::optional<std::string> value = getenv(kMaxSizeVariable);
  return value && !value->empty() ? parse_size(kMaxSizeVariable, *value) : kDefaultMaxBytes;
}

}  // namespace attnjit::cache
