#include "jit/source.h"

#include <fmt/format.h>

#include <algorithm>

#include "attnjit/error.hpp"

namespace attnjit::jit {
namespace {

/// Enum value names are copied unescaped into JSON and into a comment, so they must not need escaping in either.
void check_value_name(std::string_view field, std::string_view name) {
  const bool plain = !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
  if (!plain) {
    throw Error(Status::kInternal,
                fmt::format("config field {}: \"{}\" is no name of an enum value: letters, digits, _ - . are allowed",
                            field, name));
  }
}

/// The name of an enum value; empty for other fields.
std::string_view value_name_of(const ConfigField& field) {
  std::string_view json = field.json;
  if (json.size() < 2 || !json.starts_with('"')) return {};
  return json.substr(1, json.size() - 2);
}

std::string initialiser(const KernelSpec& spec) {
  std::string text;
  for (const ConfigField& field : spec.fields) {
    if (!text.empty()) text += ", ";
    text += fmt::format(".{} = {}", field.name, field.source);
    if (const auto name = value_name_of(field); !name.empty()) text += fmt::format(" /* {} */", name);
  }
  return text;
}

std::string readable_name(const KernelSpec& spec) {
  std::string fields;
  for (const ConfigField& field : spec.fields) {
    const auto name = value_name_of(field);
    if (!fields.empty()) fields += ", ";
    fields += fmt::format("{}={}", field.name, name.empty() ? std::string_view(field.json) : name);
  }
  return fmt::format("{} {{{}}}", spec.family, fields);
}

}  // namespace

void FieldCollector::add_bool(const char* name, bool value) {
  const std::string text = value ? "true" : "false";
  fields_.push_back({name, text, text});
}

void FieldCollector::add_int(const char* name, long long value) {
  const std::string text = fmt::to_string(value);
  fields_.push_back({name, text, text});
}

void FieldCollector::add_enum(const char* name, const char* type, long long value, const char* value_name) {
  check_value_name(name, value_name);
  // By value, not by name: the compiler then checks the type, and a value without an enumerator is still exact.
  fields_.push_back({name, fmt::format("{}{{{}}}", type, value), fmt::format("\"{}\"", value_name)});
}

std::string KernelSpec::header() const { return fmt::format("kernels/{}.cuh", family); }

std::string KernelSpec::entry() const { return "attnjit_" + family; }

std::string KernelSpec::config_json() const {
  std::string text;
  for (const ConfigField& field : fields) {
    if (!text.empty()) text += ',';
    text += fmt::format("\"{}\":{}", field.name, field.json);
  }
  return "{" + text + "}";
}

Source generate(const KernelSpec& spec) {
  Source source;
  source.name = readable_name(spec);
  source.entry = spec.entry();
  source.header = spec.header();
  // extern "C" gives the entry its plain name, whatever its namespace.
  source.text = fmt::format(
      R"(#include "{header}"

namespace attnjit::kernel {{

constexpr {config_type} kConfig{{{initialiser}}};

extern "C" __global__ void __launch_bounds__(threads(kConfig), min_ctas_per_sm(kConfig))
{entry}(const __grid_constant__ {params_type} params) {{
  {family}<kConfig>(params);
}}

}}  // namespace attnjit::kernel
)",
      fmt::arg("header", source.header), fmt::arg("config_type", spec.config_type),
      fmt::arg("initialiser", initialiser(spec)), fmt::arg("entry", source.entry),
      fmt::arg("params_type", spec.params_type), fmt::arg("family", spec.family));
  return source;
}

}  // namespace attnjit::jit
