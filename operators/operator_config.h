// OperatorConfigs as text for the command line, manifests, presets and JSON. Each operator has one list of fields.
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

/// The config of any operator. A new operator adds one alternative.
using OperatorConfig =
    std::variant<MhaVarlenConfig, MaskedMhaConfig, MaskFromTopkConfig, MlaDecodeConfig, MergeStatesConfig>;

/// {"operator":"mla_prefill","head_dim_qk":192,...}: every field, in order.
std::string to_json(const OperatorConfig& config);
/// Parses a JSON object with "operator" and any of its fields. Throws Error(kInvalidArgument) naming an unknown
/// operator, field or value and listing what is allowed.
OperatorConfig operator_config_from_json(std::string_view text);
/// Parses "operator=mla_prefill head_dim_qk=192 ...", given as separate KEY=VALUE words.
OperatorConfig operator_config_from_words(const std::vector<std::string>& words);
/// The inverse: command-line words "operator=mla_prefill head_dim_qk=192 ...", without null fields.
std::string to_words(const OperatorConfig& config);

/// For the plans of the kernels that serve it.
OperatorText text_of(const OperatorConfig& config);

/// The kernels that creating this operator compiles on an SM with these features.
std::vector<KernelPlan> plans(const OperatorConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
