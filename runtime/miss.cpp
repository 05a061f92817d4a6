#include "runtime/miss.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

#include "cache/shown_text.h"

namespace attnjit::runtime {
namespace {

/// Quotes the text as one POSIX shell word, as plain ASCII if it is not valid UTF-8: host callbacks get only UTF-8.
std::string quoted(const std::string& text) {
  const bool plain = !text.empty() && std::ranges::all_of(text, [](unsigned char letter) {
    return std::isalnum(letter) ||
           std::string_view("/._-+=:@").find(static_cast<char>(letter)) != std::string_view::npos;
  });
  if (plain) return text;
  const bool printable = shown_line(text) == text;
  std::string result = "'";
  for (const char letter : text) {
    if (letter == '\'') {
      result += "'\\''";
    } else if (!printable &&
               (static_cast<unsigned char>(letter) >= 0x7f || static_cast<unsigned char>(letter) < 0x20)) {
      result += fmt::format("'\"$(printf '\\{:03o}')\"'", static_cast<unsigned char>(letter));
    } else {
      result += letter;
    }
  }
  return result + "'";
}

std::string command_for(const Miss& miss, const OperatorText& serves, const MissPlace& place) {
  if (!serves.to_words) return "";
  std::string command;
  if (!place.template_dir.empty()) command = fmt::format("ATTNJIT_TEMPLATE_DIR={} ", quoted(place.template_dir));
  command += "attnjit precompile-cache";
  if (!place.store_path.empty()) {
    command += fmt::format(" --cache {}", quoted(std::filesystem::path(place.store_path).parent_path().string()));
  }
  return command + fmt::format(" --arch {} --config {}", miss.arch, serves.to_words(serves.json));
}

/// Where the kernel was not found, where it may be but cannot be read, or why the one found is refused.
std::string where_text(const Miss& miss, const MissPlace& place) {
  switch (miss.reason) {
    case MissReason::kCubinRefused: return fmt::format("of which there is one, but {}", miss.why);
    case MissReason::kStoreUnreadable:
      return fmt::format("which is not in memory, and the cache file, which may have it, cannot be read ({})",
                         miss.why);
    case MissReason::kAbsent: break;
  }
  return "which is neither in memory nor in " +
         (place.store_path.empty() ? "a cache file, because this Context has none" : shown_line(place.store_path));
}

std::string advice_text(const Miss& miss, const MissPlace& place) {
  switch (miss.reason) {
    case MissReason::kCubinRefused: return kWhatServesThisDriver;
    case MissReason::kStoreUnreadable:
      return "Look for what keeps the cache file from being read, a process that is stopped for example, and try again";
    case MissReason::kAbsent: break;
  }
  if (place.store_path.empty()) return "Make the operator before the Context is frozen, or give it a cache folder";
  return miss.command.empty() ? "" : "Compile it ahead of time: " + miss.command;
}

}  // namespace

const char kWhatServesThisDriver[] =
    "Compile with an NVRTC that is not newer than the driver (ATTNJIT_NVRTC, or ContextOptions::nvrtc_path), or update "
    "the driver";

MissPolicy parse_miss_policy(const std::string& name, std::string_view text) {
  if (text == "allow") return MissPolicy::kAllow;
  if (text == "warn") return MissPolicy::kWarn;
  if (text == "error") return MissPolicy::kError;
  throw Error(
      Status::kInvalidArgument,
      fmt::format("{} is \"{}\"; it takes allow (compile what is missing), warn (say so, then compile) or error "
                  "(never compile)",
                  name, text));
}

void check_miss_policy(const std::string& name, MissPolicy policy) {
  switch (policy) {
    case MissPolicy::kAllow:
    case MissPolicy::kWarn:
    case MissPolicy::kError: return;
  }
  throw Error(Status::kInvalidArgument,
              fmt::format("{} is {}; it is 0 (allow), 1 (warn) or 2 (error)", name, static_cast<int>(policy)));
}

Miss describe_miss(const KernelPlan& plan, const cache::KeyFields& fields, const MissPlace& place, MissPolicy policy,
                   MissCause cause) {
  Miss miss{.operator_config = plan.serves.json,
            .kernel_config = fields.config,
            .family = fields.family,
            .arch = fields.target,
            .key = fields.key().hex(),
            .command = {},
            .policy = policy,
            .reason = cause.reason,
            .why = shown_lines(cause.why)};
  // Compiling again would only reproduce the refused cubin.
  if (cause.reason != MissReason::kCubinRefused) miss.command = command_for(miss, plan.serves, place);
  return miss;
}

std::string miss_text(const Miss& miss, const MissPlace& place) {
  const std::string text = fmt::format(
      "cache miss: {} on {} needs the kernel {} {} (key {}), {}{}",
      miss.operator_config.empty() ? "an operator" : miss.operator_config, miss.arch, miss.family, miss.kernel_config,
      miss.key.substr(0, 12), where_text(miss, place),
      miss.policy == MissPolicy::kError ? ", and compiling is forbidden (miss policy error)" : "; compiling it now");
  const std::string advice = advice_text(miss, place);
  return advice.empty() ? text : fmt::format("{}. {}", text, advice);
}

}  // namespace attnjit::runtime
