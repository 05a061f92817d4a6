// The whole C++ API.
#pragma once

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "attnjit/mask_from_topk.hpp"
#include "attnjit/masked_mha.hpp"
#include "attnjit/merge_states.hpp"
#include "attnjit/mha_varlen.hpp"
#include "attnjit/mla_decode.hpp"
#include "attnjit/tensor.hpp"
#include "attnjit/workspace.hpp"
