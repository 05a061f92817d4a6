// Every kernel family that the library has, from the operators' tables.
#pragma once

#include <string>
#include <vector>

namespace attnjit::runtime {

/// Each once: operator by operator in the order of its table, then those of debug mode.
std::vector<std::string> kernel_families();

}  // namespace attnjit::runtime
