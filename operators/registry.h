// All kernel families of the library, collected from the operators' tables.
#pragma once

#include <string>
#include <vector>

namespace attnjit::runtime {

/// Each once: operator by operator in table order, then those of debug mode.
std::vector<std::string> kernel_families();

}  // namespace attnjit::runtime
