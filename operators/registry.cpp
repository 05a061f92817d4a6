#include "operators/registry.h"

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

#include "operators/check_indices.h"
#include "operators/mask_from_topk/kernels.h"
#include "operators/merge_states/kernels.h"
#include "operators/mha_varlen/kernels.h"
#include "operators/mla_decode/kernels.h"
#include "operators/operator_config.h"

namespace attnjit::runtime {
namespace {

using Names = std::vector<std::string>;

template <class Family>
Names names_of(const std::vector<Family>& families) {
  Names names;
  for (const Family& family : families) names.insert(names.end(), family.kernels.begin(), family.kernels.end());
  return names;
}

Names names_of(std::type_identity<MhaVarlenConfig>) { return names_of(mha_varlen_families()); }
Names names_of(std::type_identity<MaskFromTopkConfig>) { return {mask_from_topk_plan().spec.family}; }
/// The families of the mha_varlen table, and the kernel that builds the mask.
Names names_of(std::type_identity<MaskedMhaConfig>) {
  Names names = names_of(mha_varlen_families());
  names.push_back(mask_from_topk_plan().spec.family);
  return names;
}
Names names_of(std::type_identity<MlaDecodeConfig>) { return names_of(mla_decode_families()); }
Names names_of(std::type_identity<MergeStatesConfig>) { return names_of(merge_states_families()); }

/// An operator without names_of() does not compile.
template <std::size_t... kIndex>
std::vector<Names> of_all_operators(std::index_sequence<kIndex...>) {
  return {names_of(std::type_identity<std::variant_alternative_t<kIndex, OperatorConfig>>())...};
}

}  // namespace

std::vector<std::string> kernel_families() {
  Names all;
  const auto add = [&](const std::string& name) {
    if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  };
  for (const Names& names : of_all_operators(std::make_index_sequence<std::variant_size_v<OperatorConfig>>())) {
    std::for_each(names.begin(), names.end(), add);
  }
  add(check_indices_plan().spec.family);
  return all;
}

}  // namespace attnjit::runtime
