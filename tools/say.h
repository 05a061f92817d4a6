// Output of the command. All of it passes through shown_lines(): file names and row texts are not ours.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "cache/shown_text.h"

namespace attnjit::tools {

template <class... Arguments>
void say(std::FILE* out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  std::fputs(shown_lines(fmt::format(format, std::forward<Arguments>(arguments)...)).c_str(), out);
}
template <class... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  say(stdout, format, std::forward<Arguments>(arguments)...);
}

/// As text, on one line without `indent`. Invalid UTF-8 becomes U+FFFD, since JSON cannot represent it otherwise.
inline std::string json_text(const nlohmann::ordered_json& json, int indent = -1) {
  return json.dump(indent, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace);
}
inline void say_json(const nlohmann::ordered_json& json) { say("{}\n", json_text(json, 2)); }

}  // namespace attnjit::tools
