// A miss as it is told: the policies' names, and a Miss with the command line that would have prevented it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "attnjit/miss.hpp"
#include "cache/entry.h"
#include "runtime/kernel_plan.h"

namespace attnjit::runtime {

/// "allow", "warn" or "error"; throws Error(kInvalidArgument) that begins with `name` and says what is allowed.
MissPolicy parse_miss_policy(const std::string& name, std::string_view text);
/// Throws if the value is none of the enumerators (a C program may have cast an int).
void check_miss_policy(const std::string& name, MissPolicy policy);

/// Where the kernels of a Context come from.
struct MissPlace {
  std::string store_path;    // the cache file; empty: memory only
  std::string template_dir;  // empty: the library's own templates
};

struct MissCause {
  MissReason reason = MissReason::kAbsent;
  std::string why = {};
};

Miss describe_miss(const KernelPlan& plan, const cache::KeyFields& fields, const MissPlace& place, MissPolicy policy,
                   MissCause cause = {});
/// What helps where a driver refuses the cubin that would be made again.
extern const char kWhatServesThisDriver[];
/// For the warning and for MissError: which operator, which kernel, where it was looked for or why not, what to do.
std::string miss_text(const Miss& miss, const MissPlace& place);

}  // namespace attnjit::runtime
