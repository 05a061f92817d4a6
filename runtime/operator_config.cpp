#include "runtime/operator_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <utility>

#include "attnjit/error.hpp"
#include "runtime/masked_mha_kernels.h"
#include "runtime/merge_states_kernels.h"
#include "runtime/mha_varlen_kernels.h"
#include "runtime/mla_decode_kernels.h"

namespace attnjit::runtime {
namespace {

using Json = nlohmann::ordered_json;
/// Fields as they were given, JSON object or KEY=VALUE words alike.
using Values = std::vector<std::pair<std::string, Json>>;

// ---- operators and their fields

template <class Config>
struct Field {
  const char* name;
  std::variant<int Config::*, bool Config::*, DType Config::*, std::optional<DType> Config::*, CacheFormat Config::*>
      member;
  bool required = false;
};

/// What an OperatorConfig's alternative must supply: its names (the first one is printed, all are read) and
/// the list of its fields.
template <class Config>
struct Operator;

template <>
struct Operator<MhaVarlenConfig> {
  static constexpr std::array kNames = {"mla_prefill", "mha_varlen"};
  static constexpr std::array<Field<MhaVarlenConfig>, 6> kFields = {{
      {"head_dim_qk", &MhaVarlenConfig::head_dim_qk, true},
      {"head_dim_v", &MhaVarlenConfig::head_dim_v, true},
      {"rope_dim", &MhaVarlenConfig::rope_dim},
      {"dtype", &MhaVarlenConfig::dtype},
      {"causal", &MhaVarlenConfig::causal},
      {"out_dtype", &MhaVarlenConfig::out_dtype},
  }};
};

template <>
struct Operator<MlaDecodeConfig> {
  static constexpr std::array kNames = {"mla_decode"};
  static constexpr std::array<Field<MlaDecodeConfig>, 7> kFields = {{
      {"kv_lora_rank", &MlaDecodeConfig::kv_lora_rank, true},
      {"rope_dim", &MlaDecodeConfig::rope_dim, true},
      {"dtype", &MlaDecodeConfig::dtype},
      {"cache_format", &MlaDecodeConfig::cache_format},
      {"page_size", &MlaDecodeConfig::page_size},
      {"causal", &MlaDecodeConfig::causal},
      {"out_dtype", &MlaDecodeConfig::out_dtype},
  }};
};

/// Those of the attention that is masked.
template <>
struct Operator<MaskedMhaConfig> {
  static constexpr std::array kNames = {"masked_mha"};
  static constexpr auto& kFields = Operator<MhaVarlenConfig>::kFields;
};

template <>
struct Operator<MaskFromTopkConfig> {
  static constexpr std::array kNames = {"mask_from_topk"};
  static constexpr std::array<Field<MaskFromTopkConfig>, 0> kFields{};
};

/// The struct that has an operator's fields.
template <class Config>
Config& with_fields(Config& config) {
  return config;
}
MhaVarlenConfig& with_fields(MaskedMhaConfig& config) { return config.attention; }
const MhaVarlenConfig& with_fields(const MaskedMhaConfig& config) { return config.attention; }

template <>
struct Operator<MergeStatesConfig> {
  static constexpr std::array kNames = {"merge_states"};
  static constexpr std::array<Field<MergeStatesConfig>, 3> kFields = {{
      {"head_dim", &MergeStatesConfig::head_dim, true},
      {"dtype", &MergeStatesConfig::dtype},
      {"out_dtype", &MergeStatesConfig::out_dtype},
  }};
};

std::vector<KernelPlan> plans_of(const MhaVarlenConfig& config, const SmFeatures& features) {
  return choose_mha_varlen(config, features)->plans();
}
std::vector<KernelPlan> plans_of(const MlaDecodeConfig& config, const SmFeatures& features) {
  return choose_mla_decode(config, features)->plans();
}
std::vector<KernelPlan> plans_of(const MergeStatesConfig& config, const SmFeatures& features) {
  return choose_merge_states(config, features)->plans();
}

std::vector<KernelPlan> plans_of(const MaskFromTopkConfig& config, const SmFeatures& features) {
  return choose_mask_from_topk(config, features)->plans();
}
std::vector<KernelPlan> plans_of(const MaskedMhaConfig& config, const SmFeatures& features) {
  return choose_masked_mha(config, features)->plans();
}

// ---- errors

/// How many letters have to be inserted, removed or replaced to make `b` of `a` (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// "; did you mean head_dim_qk?", or nothing when no name is near enough to be a slip of the fingers.
std::string suggestion(std::string_view given, const std::vector<std::string_view>& names) {
  const auto nearest =
      std::ranges::min_element(names, {}, [&](std::string_view name) { return edit_distance(given, name); });
  if (nearest == names.end() || edit_distance(given, *nearest) > std::max<std::size_t>(2, nearest->size() / 3))
    return "";
  return fmt::format("; did you mean {}?", *nearest);
}

[[noreturn]] void refuse(const std::string& message) { throw Error(Status::kInvalidArgument, message); }

/// A value in a message. Lists and objects are not written out: that takes a stack frame per level, and they may be
/// nested as deep as their text is long. The bytes of a KEY=VALUE word need not be UTF-8.
std::string shown(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  return value.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

[[noreturn]] void refuse_value(const char* field, const Json& value, std::string_view allowed,
                               std::string_view hint = "") {
  refuse(fmt::format("{} is {}, but it takes {}{}", field, shown(value), allowed, hint));
}

// ---- values

struct DTypeName {
  std::string_view name;
  DType dtype;
};
/// Of each dtype the long name first.
constexpr std::array<DTypeName, 10> kDTypeNames = {{
    {"float16", DType::kFloat16},
    {"fp16", DType::kFloat16},
    {"f16", DType::kFloat16},
    {"bfloat16", DType::kBFloat16},
    {"bf16", DType::kBFloat16},
    {"float8_e4m3", DType::kFloat8E4M3},
    {"e4m3", DType::kFloat8E4M3},
    {"float32", DType::kFloat32},
    {"fp32", DType::kFloat32},
    {"f32", DType::kFloat32},
}};
constexpr std::string_view kDTypesAllowed =
    "float16 (f16, fp16), bfloat16 (bf16), float8_e4m3 (e4m3) or float32 (f32, fp32)";

/// By value.
constexpr std::array<std::string_view, 3> kCacheFormatNames = {"same", "e4m3", "e4m3_rows"};

Json write(int value) { return value; }
Json write(bool value) { return value; }
Json write(DType value) { return to_string(value); }
Json write(CacheFormat value) { return kCacheFormatNames.at(static_cast<std::size_t>(value)); }
Json write(const std::optional<DType>& value) { return value ? write(*value) : Json(nullptr); }

bool fits_int(const Json& value) {
  // Asked by sign: a number above the signed range would read as a negative one.
  if (value.is_number_unsigned()) return std::in_range<int>(value.get<std::uint64_t>());
  return value.is_number_integer() && std::in_range<int>(value.get<std::int64_t>());
}

void read(const char* field, const Json& value, int& into) {
  if (!fits_int(value)) refuse_value(field, value, "an integer");
  into = value.get<int>();
}

void read(const char* field, const Json& value, bool& into) {
  if (value.is_boolean()) {
    into = value.get<bool>();
  } else if (value.is_number_integer() && (value == 0 || value == 1)) {
    into = value == 1;
  } else {
    refuse_value(field, value, "true, false, 1 or 0");
  }
}

void read(const char* field, const Json& value, DType& into) {
  if (!value.is_string()) refuse_value(field, value, kDTypesAllowed);
  const std::string& given = value.get_ref<const std::string&>();
  const auto found = std::ranges::find(kDTypeNames, given, &DTypeName::name);
  if (found == kDTypeNames.end()) {
    std::vector<std::string_view> names;
    for (const DTypeName& entry : kDTypeNames) names.push_back(entry.name);
    refuse_value(field, value, kDTypesAllowed, suggestion(given, names));
  }
  into = found->dtype;
}

void read(const char* field, const Json& value, CacheFormat& into) {
  constexpr std::string_view kAllowed = "same (the queries' type), e4m3 or e4m3_rows (656 bytes)";
  if (!value.is_string()) refuse_value(field, value, kAllowed);
  const std::string& given = value.get_ref<const std::string&>();
  const auto found = std::ranges::find(kCacheFormatNames, given);
  if (found == kCacheFormatNames.end()) {
    refuse_value(field, value, kAllowed, suggestion(given, {kCacheFormatNames.begin(), kCacheFormatNames.end()}));
  }
  into = static_cast<CacheFormat>(found - kCacheFormatNames.begin());
}

void read(const char* field, const Json& value, std::optional<DType>& into) {
  if (value.is_null()) {
    into.reset();
  } else {
    read(field, value, into.emplace());
  }
}

/// The JSON value that the VALUE of a KEY=VALUE word stands for; what is no number, boolean or null is a
/// string.
Json value_of_word(std::string_view text) {
  if (text == "true" || text == "false") return text == "true";
  if (text == "null") return nullptr;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return std::string(text);
}

// ---- configs

template <class Config>
Config config_from(const Values& values) {
  constexpr const char* kOperator = Operator<Config>::kNames.front();
  constexpr auto& kFields = Operator<Config>::kFields;
  std::vector<std::string_view> names;
  for (const auto& field : kFields) names.push_back(field.name);

  Config config;
  std::vector<std::string_view> given;
  for (const Values::value_type& entry : values) {  // no structured binding: clang 14 cannot capture one
    const std::string& name = entry.first;
    const Json& value = entry.second;
    const auto field = std::ranges::find_if(kFields, [&](const auto& known) { return name == known.name; });
    if (field == kFields.end()) {
      refuse(fmt::format("{} has no field \"{}\": allowed are {}{}", kOperator, name,
                         names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")), suggestion(name, names)));
    }
    if (std::ranges::find(given, name) != given.end()) {
      refuse(fmt::format("{} is given twice: give each field once", name));
    }
    given.push_back(name);
    std::visit([&](auto member) { read(field->name, value, with_fields(config).*member); }, field->member);
  }
  for (const auto& field : kFields) {
    if (field.required && std::ranges::find(given, field.name) == given.end()) {
      refuse(fmt::format("{} needs {}: its fields are {}", kOperator, field.name, fmt::join(names, ", ")));
    }
  }
  return config;
}

/// Tries the alternatives of OperatorConfig one after the other.
template <std::size_t kIndex = 0>
OperatorConfig config_from(std::string_view name, const Values& values, std::vector<std::string_view> names = {}) {
  if constexpr (kIndex < std::variant_size_v<OperatorConfig>) {
    using Config = std::variant_alternative_t<kIndex, OperatorConfig>;
    for (const std::string_view own : Operator<Config>::kNames) {
      if (own == name) return config_from<Config>(values);
      names.push_back(own);
    }
    return config_from<kIndex + 1>(name, values, std::move(names));
  } else {
    refuse(fmt::format("there is no operator \"{}\": allowed are {}{}", name, fmt::join(names, ", "),
                       suggestion(name, names)));
  }
}

/// Takes "operator" out of the values and reads the others as its fields.
OperatorConfig config_from(Values values) {
  const auto found = std::ranges::find(values, "operator", &Values::value_type::first);
  if (found == values.end()) refuse("operator is missing: give it, for example operator=mla_prefill");
  if (!found->second.is_string()) refuse_value("operator", found->second, "a name such as \"mla_prefill\"");
  const std::string name = found->second.get<std::string>();
  values.erase(found);
  return config_from(name, values);
}

}  // namespace

std::string to_json(const OperatorConfig& config) {
  return std::visit(
      []<class Config>(const Config& operator_config) {
        Json json = {{"operator", Operator<Config>::kNames.front()}};
        for (const auto& field : Operator<Config>::kFields) {
          std::visit([&](auto member) { json[field.name] = write(with_fields(operator_config).*member); },
                     field.member);
        }
        return json.dump();
      },
      config);
}

std::string to_words(const OperatorConfig& config) {
  std::string words;
  const Json json = Json::parse(to_json(config));
  for (const auto& [name, value] : json.items()) {
    if (value.is_null()) continue;
    if (!words.empty()) words += ' ';
    words += fmt::format("{}={}", name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return words;
}

OperatorConfig operator_config_from_json(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    refuse(
        fmt::format("an operator is a JSON object such as {{\"operator\":\"mla_prefill\",\"head_dim_qk\":192,"
                    "\"head_dim_v\":128}}, but {} was given",
                    text));
  }
  Values values;
  // Moved, since a copy takes a stack frame per level of nesting.
  for (const auto& item : json.items()) values.emplace_back(item.key(), std::move(item.value()));
  return config_from(std::move(values));
}

OperatorConfig operator_config_from_words(const std::vector<std::string>& words) {
  Values values;
  for (const std::string& word : words) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      refuse(
          fmt::format("\"{}\" is not KEY=VALUE: give an operator as operator=mla_prefill head_dim_qk=192 "
                      "head_dim_v=128",
                      word));
    }
    values.emplace_back(word.substr(0, equals), value_of_word(std::string_view(word).substr(equals + 1)));
  }
  return config_from(std::move(values));
}

std::vector<KernelPlan> plans(const OperatorConfig& config, const SmFeatures& features) {
  return std::visit([&](const auto& operator_config) { return plans_of(operator_config, features); }, config);
}

}  // namespace attnjit::runtime
