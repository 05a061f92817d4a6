#include "runtime/kernels/check_varlen.h"

#include <fmt/format.h>

#include "attnjit/error.hpp"
#include "templates/shared/check_varlen_config.h"
#include "templates/shared/check_varlen_params.h"

namespace attnjit::runtime {
namespace {

using kernel::LengthFault;

// A batch is a few hundred sequences at most: one round of these threads.
constexpr kernel::CheckVarlenConfig kConfig{.warps = 8};

constexpr char kTensorLetters[] = {'q', 'k'};

std::string describe(const kernel::CheckReport& report, const kernel::CumulatedLengths& lengths) {
  const char letter = kTensorLetters[report.tensor];
  const int b = report.sequence;
  const auto entries = fmt::format("cu_seqlens_{0}[{1}] is {2} and cu_seqlens_{0}[{3}] is {4}", letter, b,
                                   report.values[0], b + 1, report.values[1]);
  switch (static_cast<LengthFault>(report.fault)) {
    case LengthFault::kNone: break;
    case LengthFault::kNegative:
      return fmt::format("sequence {}: cu_seqlens_{}[{}] is {}; entries are 0 or more", b, letter, b, report.values[0]);
    case LengthFault::kDecreasing:
      return fmt::format("sequence {}: {}; entries must not decrease: give the sums of the lengths before", b, entries);
    case LengthFault::kBeyondTensor:
      return fmt::format("sequence {}: {}; entries are at most {}, the number of tokens of {}", b, entries,
                         lengths.tokens, letter);
    case LengthFault::kBeyondMax:
      return fmt::format(
          "sequence {}: {}, which are {} tokens; at most max_seqlen_{} = {} are allowed: give an upper "
          "bound of the lengths",
          b, entries, report.values[1] - report.values[0], letter, lengths.max_seqlen);
  }
  throw Error(Status::kInternal, fmt::format("check_varlen reported a fault of kind {}", report.fault));
}

}  // namespace

KernelPlan check_varlen_plan() { return make_plan("check_varlen", "CheckVarlenConfig", "CheckVarlenParams", kConfig); }

VarlenCheck::VarlenCheck(const char* operator_name, KernelLoader& loader)
    : operator_(operator_name), check_(operator_name, loader, check_varlen_plan()) {}

void VarlenCheck::run(const MhaVarlenCall& call, CUstream stream) const {
  if (call.batch == 0) return;
  const kernel::CheckVarlenParams params{.lengths = {{call.params.cu_seqlens_q, call.tokens_q, call.max_seqlen_q},
                                                     {call.params.cu_seqlens_k, call.tokens_k, call.max_seqlen_k}},
                                         .batch = call.batch,
                                         .report = nullptr};
  const kernel::CheckReport report = check_.run(params, stream);
  if (report.fault == 0) return;
  throw Error(Status::kInvalidArgument, fmt::format("{}: {}. Found on the device by debug_checks; nothing was launched",
                                                    operator_, describe(report, params.lengths[report.tensor])));
}

}  // namespace attnjit::runtime
