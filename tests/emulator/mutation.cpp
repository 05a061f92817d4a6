#include "tests/emulator/mutation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "jit/templates.h"

namespace attnjit::emulator_tests {
namespace {

using emulator::Completion;
using emulator::LaunchOptions;
using emulator::SyncSite;

std::vector<std::string> lines_of(const std::string& file) {
  const auto& files = jit::Templates::embedded().files();
  const auto found = files.find(file);
  std::istringstream text(found == files.end() ? "" : found->second);
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line.substr(0, line.find("//")));
  return lines;
}

/// The function or lambda around a line, by indentation.
std::string function_around(const std::vector<std::string>& lines, std::size_t line) {
  static const std::regex head(R"(ATTNJIT_DEVICE[^;=]*?\b(\w+)\(|const auto (\w+) = \[)");
  std::size_t indent = lines[line].find_first_not_of(' ');
  while (line-- > 0) {
    const std::size_t begin = lines[line].find_first_not_of(' ');
    if (begin == std::string::npos || begin >= indent || lines[line][begin] == '#') continue;
    indent = begin;
    std::smatch match;
    if (std::regex_search(lines[line], match, head)) return match[1].matched ? match[1] : match[2];
  }
  return "?";
}

/// A name for a site that survives changes elsewhere in its file: "kernels/x.cuh, load_tile: cp_async_wait<1>();".
/// Equal statements of one function are numbered from the top.
std::map<SyncSite, std::string> names_of(const std::set<SyncSite>& sites) {
  std::map<SyncSite, std::string> names;
  std::map<std::string, int> count;
  for (const SyncSite& site : sites) {  // sorted by what, file, line
    const std::vector<std::string> lines = lines_of(site.file);
    const auto line = static_cast<std::size_t>(site.line) - 1;
    if (line >= lines.size()) {
      names[site] = fmt::format("{}:{}: {}", site.file, site.line, site.what);
      continue;
    }
    const std::size_t begin = lines[line].find_first_not_of(' ');
    const std::string code = lines[line].substr(begin, lines[line].find_last_not_of(' ') + 1 - begin);
    std::string name = fmt::format("{}, {}: {}", site.file, function_around(lines, line), code);
    if (const int number = ++count[name]; number > 1) name += fmt::format(" ({})", number);
    names[site] = name;
  }
  return names;
}

/// Every call that orders memory or threads in the source of the kernels and everything they include, except ptx/,
/// which holds the instructions themselves.
std::set<SyncSite> sites_in_text(const std::vector<std::string>& kernels) {
  static const std::regex call(
      R"(\b(sync_block|sync_warp|cp_async_wait|cp_async_commit|mbarrier_init|mbarrier_arrive|mbarrier_arrive_expect)"
      R"(|mbarrier_wait|mbarrier_test|fence_mbarrier_init|fence_proxy_async|named_barrier_sync|named_barrier_arrive|wgmma_fence)"
      R"(|wgmma_commit|wgmma_wait|wait_for_prerequisites)(<[^;(]*>)?\()");
  const jit::Templates& templates = jit::Templates::embedded();
  std::set<SyncSite> sites;
  for (const std::string& kernel : kernels) {
    for (const std::string& file : templates.closure("kernels/" + kernel + ".cuh")) {
      if (file.starts_with("ptx/")) continue;
      std::istringstream text(templates.files().find(file)->second);
      std::string line;
      for (int number = 1; std::getline(text, line); ++number) {
        const std::string code = line.substr(0, line.find("//"));
        std::smatch match;
        if (std::regex_search(code, match, call)) sites.insert({match[1], file, number});
      }
    }
  }
  return sites;
}

/// The first sign that the site is missing; empty if there is none.
std::string first_sign(const std::vector<MutationCase>& cases, const SyncSite& dropped) {
  for (const MutationCase& c : cases) {
    const LaunchOptions race{.seed = c.seed, .race_check = true, .dropped = dropped};
    if (std::string sign = c.run(race, nullptr); !sign.empty()) return fmt::format("{}, race check: {}", c.name, sign);
    for (const Completion completion : {Completion::kEarly, Completion::kLate, Completion::kRandom}) {
      const LaunchOptions options{.completion = completion, .seed = c.seed, .dropped = dropped};
      if (std::string sign = c.run(options, nullptr); !sign.empty()) {
        return fmt::format("{}, {}: {}", c.name, to_string(completion), sign);
      }
    }
  }
  return "";
}

}  // namespace

void expect_every_site_missed(const std::vector<std::string>& kernels, const std::vector<MutationCase>& cases) {
  std::set<SyncSite> met;
  for (const MutationCase& c : cases) {
    emulator::LaunchResult result;
    ASSERT_EQ(c.run({.seed = c.seed}, &result), "") << c.name;
    met.insert(result.sync_sites.begin(), result.sync_sites.end());
  }
  std::set<SyncSite> sites = sites_in_text(kernels);
  ASSERT_FALSE(sites.empty());
  sites.insert(met.begin(), met.end());

  std::ifstream file(ATTNJIT_MUTATION_SURVIVORS);
  const nlohmann::json listed =
      nlohmann::json::parse(file).value(fmt::format("{}", fmt::join(kernels, ", ")), nlohmann::json::object());
  std::set<std::string> survivors;
  for (const auto& [site, name] : names_of(sites)) {
    if (!met.contains(site)) {
      survivors.insert(name);
      EXPECT_TRUE(listed.contains(name)) << name << " (" << site.file << ":" << site.line
                                         << ") is met by no case: add one that does, or list it in "
                                         << ATTNJIT_MUTATION_SURVIVORS << " with the reason why none can";
      continue;
    }
    const std::string sign = first_sign(cases, site);
    if (sign.empty()) {
      survivors.insert(name);
      EXPECT_TRUE(listed.contains(name))
          << name << " (" << site.file << ":" << site.line
          << ") can be dropped and no case shows it: add a case that does, or list it in " << ATTNJIT_MUTATION_SURVIVORS
          << " with the reason why nothing needs it";
    } else {
      testing::Test::RecordProperty(name, sign.substr(0, 200));
    }
  }
  for (const auto& [name, reason] : listed.items()) {
    EXPECT_GT(reason.get<std::string>().size(), 20u) << name << " is listed without a reason";
    EXPECT_TRUE(survivors.contains(name))
        << name << " is listed as a survivor, but is missed when dropped, or is no more";
  }
}

}  // namespace attnjit::emulator_tests
