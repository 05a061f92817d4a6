// Drops each barrier, wait and commit of a kernel once, and demands that the emulator notices: by a wrong result, a
// race, an uninitialised read or a deadlock. What it does not notice is listed in mutation_survivors.json with the
// reason, and nothing else is.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/emulator/cases.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::Completion;
using emulator::LaunchOptions;
using emulator::SyncSite;
using gpu_tests::Case;

/// A site's name that outlives changes elsewhere in its file: "cp_async_wait 2 of kernels/x.cuh", counted from the top.
std::map<SyncSite, std::string> names_of(const std::set<SyncSite>& sites) {
  std::map<SyncSite, std::string> names;
  std::map<std::string, int> count;
  for (const SyncSite& site : sites) {  // sorted by what, file, line
    names[site] = fmt::format("{} {} of {}", site.what, ++count[site.what + site.file], site.file);
  }
  return names;
}

/// The first sign that the site is missing; empty if there is none.
std::string first_sign(const std::vector<Case>& cases, const SyncSite& dropped) {
  for (const Case& c : cases) {
    const LaunchOptions race{.seed = c.seed, .race_check = true, .dropped = dropped};
    if (std::string sign = run_here(c, race).trouble; !sign.empty())
      return fmt::format("{}, race check: {}", c.name, sign);
    for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
      const LaunchOptions options{.completion = completion, .seed = c.seed, .dropped = dropped};
      if (std::string sign = run_here(c, options).trouble; !sign.empty()) {
        return fmt::format("{}, {}: {}", c.name, to_string(completion), sign);
      }
    }
  }
  return "";
}

TEST(Mutation, EverySiteIsMissed) {
  const std::vector<Case> cases = mutation_cases();
  std::set<SyncSite> sites;
  for (const Case& c : cases) {
    const Judged judged = run_here(c, {.seed = c.seed});
    ASSERT_EQ(judged.trouble, "") << c.name;
    const auto& met = judged.run.result.sync_sites;
    sites.insert(met.begin(), met.end());
  }
  ASSERT_GE(sites.size(), 8u) << "the kernel has more barriers, waits and commits than were met";

  std::ifstream file(ATTNJIT_MUTATION_SURVIVORS);
  const nlohmann::json listed = nlohmann::json::parse(file);
  std::set<std::string> survivors;
  for (const auto& [site, name] : names_of(sites)) {
    const std::string sign = first_sign(cases, site);
    if (sign.empty()) {
      survivors.insert(name);
      EXPECT_TRUE(listed.contains(name))
          << name << " (" << site.file << ":" << site.line
          << ") can be dropped and no case shows it: add a case that does, or list it in " << ATTNJIT_MUTATION_SURVIVORS
          << " with the reason why nothing needs it";
    } else {
      RecordProperty(name, sign.substr(0, 200));
    }
  }
  for (const auto& [name, reason] : listed.items()) {
    EXPECT_GT(reason.get<std::string>().size(), 20u) << name << " is listed without a reason";
    EXPECT_TRUE(survivors.contains(name))
        << name << " is listed as a survivor, but is missed when dropped, or is no more";
  }
}

}  // namespace
}  // namespace attnjit::emulator_tests
