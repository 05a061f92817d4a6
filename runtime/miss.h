// Reporting of misses: names of the policies, and a Miss with the command line that would have prevented it.
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
/// Throws if the value is not an enumerator (a C program may have cast an int).
void check_miss_policy(const std::string& name, MissPolicy policy);

/// Where a Context's kernels come from.
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
/// Advice for a driver that refuses a cubin which compiling again would only reproduce.
extern const char kWhatServesThisDriver[];
/// Text for the warning and for MissError: the operator, the kernel, where it was looked up or why not, and what to do.
std::string miss_text(const Miss& miss, const MissPlace& place);

}  // namespace attnjit::runtime
