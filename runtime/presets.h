// Models by name, and the operators each of them needs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/operator_config.h"

namespace attnjit::runtime {

struct Preset {
  std::string name;         // "deepseek-v3"
  std::string description;  // one line: what of the model's shapes the configs come from
  std::vector<OperatorConfig> operators;
};

const std::vector<Preset>& presets();
/// Throws Error(kInvalidArgument) that lists the names there are.
const Preset& preset(std::string_view name);

}  // namespace attnjit::runtime
