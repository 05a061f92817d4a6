// OperatorConfigs as text: what the command line, manifests, presets and JSON speak. One list of fields per
// operator.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "attnjit/mask_from_topk.hpp"
#include "attnjit/masked_mha.hpp"
#include "attnjit/merge_states.hpp"
#include "attnjit/mha_varlen.hpp"
#include "attnjit/mla_decode.hpp"
#include "runtime/kernel_plan.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

/// Any operator's config. A new operator is one more alternative.
using OperatorConfig =
    std::variant<MhaVarlenConfig, MaskedMhaConfig, MaskFromTopkConfig, MlaDecodeConfig, MergeStatesConfig>;

/// {"operator":"mla_prefill","head_dim_qk":192,...}: every field, in order.
std::string to_json(const OperatorConfig& config);
/// From a JSON object with "operator" and any of its fields; throws Error(kInvalidArgument) that names an
/// unknown operator, field or value and lists what is allowed.
OperatorConfig operator_config_from_json(std::string_view text);
/// From "operator=mla_prefill head_dim_qk=192 ..." given as separate KEY=VALUE words.
OperatorConfig operator_config_from_words(const std::vector<std::string>& words);
/// The same as the words of a command line: "operator=mla_prefill head_dim_qk=192 ...", without what is null.
std::string to_words(const OperatorConfig& config);

/// The kernels that making this operator compiles, on an SM with these features.
std::vector<KernelPlan> plans(const OperatorConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
