// C ABI: what mha_varlen and masked_mha share, the structs of attention.
#pragma once

#include "attnjit/mha_varlen.hpp"
#include "runtime/c_api/support.h"

namespace attnjit::c_api {

MhaVarlenConfig read_config(const attnjit_mha_varlen_config* given);
MhaVarlenParams read_params(const attnjit_mha_varlen_params* given, int device);

}  // namespace attnjit::c_api
