// Which kernels serve an mla_decode config: one table, in order of preference, the generic ones last.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "runtime/kernel_loader.h"
#include "runtime/kernel_plan.h"
#include "runtime/mla_decode_call.h"
#include "runtime/sm_features.h"

namespace attnjit::runtime {

/// The closed set of kernels that the calls of one operator choose from, and how a call is launched.
class MlaDecodeKernels {
 public:
  virtual ~MlaDecodeKernels() = default;
  /// At most 4.
  virtual const std::vector<KernelPlan>& plans() const = 0;

  /// One launch.
  struct Step {
    int plan = 0;  // index into plans()
    unsigned ctas = 0;
    LaunchOrder order = LaunchOrder::kAfterPrevious;
  };
  /// The launches of a call, one after the other; none if there is nothing to do.
  struct Launch {
    std::array<Step, 2> steps{};
    int count = 0;
    std::size_t workspace_bytes = 0;
  };
  /// Chooses the kernels and their grids, and fills in what of the params depends on them.
  virtual Launch launch(MlaDecodeCall& call) const = 0;
  /// Puts the workspace of a call that launch() has seen into its params.
  virtual void set_workspace(MlaDecodeCall& call, void* workspace) const = 0;
  /// No call within the bounds asks for more.
  virtual std::size_t workspace_bytes(const MlaDecodeBounds& bounds) const = 0;
};

/// A row of the table.
struct MlaDecodeFamily {
  const char* name;
  const char* joining;  // the kernel that joins what this one splits; null where it does that itself
  /// Empty if the family serves the config, else why not.
  std::string (*refusal)(const MlaDecodeConfig& config, const SmFeatures& features);
  std::unique_ptr<MlaDecodeKernels> (*make)(const MlaDecodeConfig& config, const SmFeatures& features);
};

const std::vector<MlaDecodeFamily>& mla_decode_families();

/// The first family that serves the config. Throws Error(kUnsupported) with each family's reason.
std::unique_ptr<MlaDecodeKernels> choose_mla_decode(const MlaDecodeConfig& config, const SmFeatures& features);

}  // namespace attnjit::runtime
