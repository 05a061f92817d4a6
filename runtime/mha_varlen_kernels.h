// Which kernel serves an mha_varlen config, without a mask or (masked_mha) under a bitmask of keys: one table, in order
// of preference, the generic kernel last.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kernel_plan.h"
#include "runtime/mha_varlen_call.h"
#include "runtime/sm_features.h"
#include "runtime/tensor_map.h"

namespace attnjit::runtime {

/// The closed set of kernels that the calls of one operator choose from, and how a call is launched.
class MhaVarlenKernels {
 public:
  virtual ~MhaVarlenKernels() = default;
  /// At most 4.
  virtual const std::vector<KernelPlan>& plans() const = 0;

  struct Launch {
    int plan = 0;       // index into plans()
    unsigned ctas = 0;  // 0: nothing to do
  };
  /// Chooses the kernel and the grid, and fills in what of the params depends on them.
  virtual Launch launch(MhaVarlenCall& call) const = 0;

  /// Room for the params of a kernel that has its own.
  struct ParamsStorage {
    alignas(64) std::byte bytes[1152];
  };
  /// What the chosen kernel is told: the call's params, or its own, which are then in `storage`.
  virtual const void* params(const MhaVarlenCall& call, const Launch& launch, LaunchServices& services,
                             ParamsStorage& storage) const {
    (void)launch, (void)services, (void)storage;
    return &call.params;
  }
};

/// Whether each query has a bitmask of the keys that it sees.
enum class KeyMasking { kNone, kBitmask };

/// A row of the table: one kernel family.
struct MhaVarlenFamily {
  const char* name;
  /// Empty if the family serves the config, else why not.
  std::string (*refusal)(const MhaVarlenConfig& config, KeyMasking masking, const SmFeatures& features);
  std::unique_ptr<MhaVarlenKernels> (*make)(const MhaVarlenConfig& config, KeyMasking masking,
                                            const SmFeatures& features);
  /// The oldest NVRTC that builds its kernels.
  jit::CompilerVersion oldest_compiler = jit::kOldestNvrtc;
};

const std::vector<MhaVarlenFamily>& mha_varlen_families();

/// The first family that serves the config. Throws Error(kUnsupported) with each family's reason.
std::unique_ptr<MhaVarlenKernels> choose_mha_varlen(const MhaVarlenConfig& config, const SmFeatures& features,
                                                    KeyMasking masking = KeyMasking::kNone);

}  // namespace attnjit::runtime
