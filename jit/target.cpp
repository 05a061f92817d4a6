#include "jit/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>

#include "attnjit/error.hpp"
#include "process/made_once.h"

namespace attnjit::jit {
namespace {

/// Targets of one compute capability.
///
/// Which cubin runs where (CUDA C++ Programming Guide, "Compute Capabilities"): a portable one on the same and every
/// later minor version of its major; an `a` one on exactly its own; an `f` one on its own and later members of the
/// family: 100f on 10.0 and 10.3, 120f on 12.0 and 12.1. The integrated GPUs 8.7, 8.8, 10.1 and 11.0 run only what was
/// built for them (10.1 is CUDA 12's name for 11.0).
///
/// The family target comes first, so one cubin serves all members. A row ends with the portable X.0 target if a
/// supported compiler (12.8) knows nothing better; 8.x rows need no such end, because every supported compiler knows
/// their own target.
struct DeviceRow {
  int major;
  int minor;
  std::vector<Target> targets;
};

const std::vector<DeviceRow>& device_rows() {
  static constinit process::MadeOnce<std::vector<DeviceRow>> rows;
  return rows.get([] {
    return std::vector<DeviceRow>{
        {8, 0, {{8, 0, 0}}},
        {8, 6, {{8, 6, 0}}},
        {8, 7, {{8, 7, 0}}},
        {8, 8, {{8, 8, 0}}},
        {8, 9, {{8, 9, 0}}},
        {9, 0, {{9, 0, 'a'}, {9, 0, 0}}},
        {10, 0, {{10, 0, 'f'}, {10, 0, 'a'}, {10, 0, 0}}},
        {10, 1, {{10, 1, 'f'}, {10, 1, 'a'}, {10, 1, 0}}},
        {10, 3, {{10, 0, 'f'}, {10, 3, 'f'}, {10, 3, 'a'}, {10, 3, 0}, {10, 0, 0}}},
        {11, 0, {{11, 0, 'f'}, {11, 0, 'a'}, {11, 0, 0}}},
        {12, 0, {{12, 0, 'f'}, {12, 0, 'a'}, {12, 0, 0}}},
        {12, 1, {{12, 0, 'f'}, {12, 1, 'f'}, {12, 1, 'a'}, {12, 1, 0}, {12, 0, 0}}},
    };
  });
}

std::optional<int> parse_number(std::string_view digits) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty() || digits.size() > 3 ||
      digits.front() == '-') {
    return std::nullopt;
  }
  return value;
}

std::optional<Target> try_parse(std::string_view text) {
  if (text.starts_with("sm_")) text.remove_prefix(3);
  Target target;
  if (text.ends_with('a') || text.ends_with('f')) {
    target.suffix = text.back();
    text.remove_suffix(1);
  }
  if (const auto dot = text.find('.'); dot != std::string_view::npos) {
    const auto major = parse_number(text.substr(0, dot));
    const auto minor = parse_number(text.substr(dot + 1));
    if (!major || !minor || *major < 1 || *minor > 9) return std::nullopt;
    target.major = *major;
    target.minor = *minor;
    return target;
  }
  const auto number = parse_number(text);
  if (!number || *number < 10) return std::nullopt;
  target.major = *number / 10;
  target.minor = *number % 10;
  return target;
}

}  // namespace

std::string Target::name() const {
  std::string text = fmt::format("sm_{}", number());
  if (suffix != 0) text += suffix;
  return text;
}

Target Target::parse(std::string_view text) {
  if (const auto target = try_parse(text)) return *target;
  throw Error(Status::kInvalidArgument,
              fmt::format("\"{}\" is not a target: give a compute capability as sm_90a, 90a or 9.0a; the suffix is "
                          "none, a (architecture-specific) or f (family-specific)",
                          text));
}

std::vector<Target> targets_for_device(int major, int minor) {
  if (major < 8 || minor < 0) return {};
  const auto& rows = device_rows();
  const auto row = std::ranges::find_if(
      rows, [&](const DeviceRow& candidate) { return candidate.major == major && candidate.minor == minor; });
  if (row != rows.end()) return row->targets;
  // A device newer than this table: its own portable target, for compilers that know it, then that of its major
  // version. Its family, if any, is unknown here.
  std::vector<Target> targets;
  if (minor > 0 && minor < 10) targets.push_back({major, minor, 0});
  targets.push_back({major, 0, 0});
  return targets;
}

}  // namespace attnjit::jit
