// Named models and the operators each of them needs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "operators/operator_config.h"

namespace attnjit::runtime {

struct Preset {
  std::string name;         // "deepseek-v3"
  std::string description;  // one line: which of the model's shapes the configs come from
  std::vector<OperatorConfig> operators;
};

const std::vector<Preset>& presets();
/// Throws Error(kInvalidArgument) listing the known names.
const Preset& preset(std::string_view name);

}  // namespace attnjit::runtime
