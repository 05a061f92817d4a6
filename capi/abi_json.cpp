// C ABI: attnjit_abi_json(), from which bindings of other languages take the layout of the structs.
#include <dlpack/dlpack.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

#include "attnjit/mla_decode.hpp"
#include "capi/support.h"
#include "operators/mask_from_topk/fields.h"
#include "operators/masked_mha/fields.h"
#include "operators/merge_states/fields.h"
#include "operators/mha_varlen/fields.h"
#include "operators/mla_decode/fields.h"
#include "process/made_once.h"
#include "runtime/dtypes.h"

namespace attnjit::c_api {
namespace {

using Json = nlohmann::ordered_json;
using runtime::Fields;
using runtime::Operator;

/// A field of a struct that has no list of its own.
template <class C, class Member>
struct CField {
  const char* name;
  Member C::*member;
};
template <class C, class Member>
constexpr CField<C, Member> c_field(const char* name, Member C::*member) {
  return {name, member};
}
#define ATTNJIT_C_FIELD(member) c_field(#member, &C::member)

/// What a value of the C type is, where the C++ type does not say more.
template <class Member>
const char* type_of() {
  if constexpr (std::is_same_v<Member, const DLTensor*>) {
    return "tensor";
  } else if constexpr (std::is_same_v<Member, const char*>) {
    return "text";
  } else if constexpr (std::is_pointer_v<Member>) {
    return "pointer";
  } else if constexpr (std::is_same_v<Member, float>) {
    return "float32";
  } else if constexpr (std::is_same_v<Member, double>) {
    return "float64";
  } else if constexpr (std::is_same_v<Member, std::int32_t>) {
    return "int32";
  } else if constexpr (std::is_same_v<Member, std::int64_t>) {
    return "int64";
  } else {
    static_assert(std::is_same_v<Member, std::size_t>, "name the type here");
    return "size";
  }
}

template <class Cpp, class CMember>
const char* type_of_field() {
  if constexpr (std::is_same_v<Cpp, bool>) return "bool";
  if constexpr (std::is_same_v<Cpp, DType>) return "dtype";
  if constexpr (std::is_same_v<Cpp, std::optional<DType>>) return "optional dtype";
  if constexpr (std::is_same_v<Cpp, CacheFormat>) return "cache_format";
  if constexpr (std::is_pointer_v<CMember> && !std::is_same_v<Cpp, Tensor>) return Fields<Cpp>::kStruct.name;
  return type_of<CMember>();
}

template <class C, class Member>
Json describe(const char* name, const char* type, const C& defaults, Member C::*member) {
  const auto offset = reinterpret_cast<const char*>(&(defaults.*member)) - reinterpret_cast<const char*>(&defaults);
  Json json = {{"name", name}, {"type", type}, {"offset", offset}};
  if constexpr (std::is_pointer_v<Member>) {
    json["default"] = nullptr;
  } else {
    json["default"] = defaults.*member;
  }
  return json;
}

template <class Cpp>
void add_struct(Json& structs) {
  using List = Fields<Cpp>;
  const auto& defaults = List::kStruct.defaults;
  Json fields = Json::array();
  const auto add = [&]<class Member, class CMember>(const runtime::Field<Member Cpp::*, CMember List::C::*>& field) {
    fields.push_back(describe(field.name, type_of_field<Member, CMember>(), defaults, field.c));
  };
  const auto add_workspace = [&](const auto& field) {
    fields.push_back(describe("workspace", "pointer", defaults, field.c_data));
    fields.push_back(describe("workspace_bytes", "size", defaults, field.c_bytes));
  };
  runtime::for_each_field<Cpp>([&](const auto& field) {
    if constexpr (requires { field.c_data; }) {
      add_workspace(field);
    } else {
      add(field);
    }
  });
  structs[List::kStruct.name] = {{"size", sizeof(typename List::C)}, {"fields", std::move(fields)}};
}

template <class C, class... Members>
void add_plain_struct(Json& structs, const char* name, const C& defaults, const CField<C, Members>&... field) {
  static_assert(sizeof(std::size_t) + (sizeof(Members) + ...) == sizeof(C), "every field but struct_size is named");
  Json fields = Json::array();
  const auto add = [&](const auto& listed, const char* type) {
    if (!std::string_view(listed.name).starts_with("reserved")) {
      fields.push_back(describe(listed.name, type, defaults, listed.member));
    }
  };
  (add(field, type_of<Members>()), ...);
  structs[name] = {{"size", sizeof(C)}, {"fields", std::move(fields)}};
}

void add_context_options(Json& structs) {
  using C = attnjit_context_options;
  add_plain_struct<C>(structs, "attnjit_context_options", ATTNJIT_CONTEXT_OPTIONS_INIT, ATTNJIT_C_FIELD(device),
                      ATTNJIT_C_FIELD(compiler_exact), ATTNJIT_C_FIELD(arch), ATTNJIT_C_FIELD(cache_path),
                      ATTNJIT_C_FIELD(nvrtc_path), ATTNJIT_C_FIELD(template_dir), ATTNJIT_C_FIELD(log),
                      ATTNJIT_C_FIELD(log_user), ATTNJIT_C_FIELD(on_miss), ATTNJIT_C_FIELD(reserved),
                      ATTNJIT_C_FIELD(miss), ATTNJIT_C_FIELD(miss_user), ATTNJIT_C_FIELD(cache_max_bytes),
                      ATTNJIT_C_FIELD(debug_checks), ATTNJIT_C_FIELD(fallback));
}

void add_counters(Json& structs) {
  using C = attnjit_cache_counters;
  add_plain_struct<C>(structs, "attnjit_cache_counters", ATTNJIT_CACHE_COUNTERS_INIT, ATTNJIT_C_FIELD(loaded_hits),
                      ATTNJIT_C_FIELD(memory_hits), ATTNJIT_C_FIELD(store_hits), ATTNJIT_C_FIELD(waits),
                      ATTNJIT_C_FIELD(compiles), ATTNJIT_C_FIELD(misses), ATTNJIT_C_FIELD(refusals),
                      ATTNJIT_C_FIELD(compile_failures), ATTNJIT_C_FIELD(loads), ATTNJIT_C_FIELD(refused_cubins),
                      ATTNJIT_C_FIELD(bad_rows), ATTNJIT_C_FIELD(bad_files), ATTNJIT_C_FIELD(evicted_rows),
                      ATTNJIT_C_FIELD(store_failures), ATTNJIT_C_FIELD(compile_seconds), ATTNJIT_C_FIELD(load_seconds),
                      ATTNJIT_C_FIELD(wait_seconds), ATTNJIT_C_FIELD(store_read_seconds),
                      ATTNJIT_C_FIELD(store_write_seconds), ATTNJIT_C_FIELD(fallbacks));
}

void add_miss(Json& structs) {
  using C = attnjit_miss;
  add_plain_struct<C>(structs, "attnjit_miss", C{}, ATTNJIT_C_FIELD(operator_config), ATTNJIT_C_FIELD(kernel_config),
                      ATTNJIT_C_FIELD(family), ATTNJIT_C_FIELD(arch), ATTNJIT_C_FIELD(key), ATTNJIT_C_FIELD(command),
                      ATTNJIT_C_FIELD(policy), ATTNJIT_C_FIELD(reserved), ATTNJIT_C_FIELD(why), ATTNJIT_C_FIELD(reason),
                      ATTNJIT_C_FIELD(reserved_reason));
}

/// `c_name` as in attnjit_<c_name>_create; `config` is null where the function takes none.
template <class Config>
Json describe_operator(const char* c_name, const char* config) {
  Json json = {{"names", Json::array()},
               {"config", nullptr},
               {"params", Fields<typename Operator<Config>::Params>::kStruct.name}};
  for (const char* name : Operator<Config>::kNames) json["names"].push_back(name);
  if (config) json["config"] = config;
  return {{c_name, json}};
}

std::string abi_json() {
  Json dtypes = Json::object();
  for (const runtime::DTypeRow& row : runtime::kDTypes) {
    dtypes[row.name] = {{"value", static_cast<int>(row.dtype)}, {"bits", row.bits}, {"dlpack_code", row.dlpack_code}};
  }
  Json cache_formats = Json::object();
  for (std::size_t i = 0; i < runtime::kCacheFormatNames.size(); ++i) cache_formats[runtime::kCacheFormatNames[i]] = i;
  Json structs = Json::object();
  add_context_options(structs);
  add_counters(structs);
  add_miss(structs);
  add_struct<MhaVarlenConfig>(structs);
  add_struct<MhaVarlenParams>(structs);
  add_struct<MlaDecodeConfig>(structs);
  add_struct<MlaDecodeParams>(structs);
  add_struct<MaskFromTopkParams>(structs);
  add_struct<MaskedMhaParams>(structs);
  add_struct<MaskedMhaBounds>(structs);
  add_struct<MergeStatesConfig>(structs);
  add_struct<MergeStatesParams>(structs);
  const char* const attention = Fields<MhaVarlenConfig>::kStruct.name;
  Json operators = Json::object();
  operators.update(describe_operator<MhaVarlenConfig>("mha_varlen", attention));
  operators.update(describe_operator<MlaDecodeConfig>("mla_decode", Fields<MlaDecodeConfig>::kStruct.name));
  operators.update(describe_operator<MaskFromTopkConfig>("mask_from_topk", nullptr));
  operators.update(describe_operator<MaskedMhaConfig>("masked_mha", attention));
  operators.update(describe_operator<MergeStatesConfig>("merge_states", Fields<MergeStatesConfig>::kStruct.name));
  return Json{{"abi", ATTNJIT_ABI_VERSION},
              {"dtypes", dtypes},
              {"cache_formats", cache_formats},
              {"structs", structs},
              {"operators", operators}}
      .dump();
}

}  // namespace
}  // namespace attnjit::c_api

const char* attnjit_abi_json(void) {
  static constinit attnjit::process::MadeOnce<std::string> text;
  const char* result = "";
  (void)attnjit::c_api::guarded([&] { result = text.get(attnjit::c_api::abi_json).c_str(); });
  return result;
}
