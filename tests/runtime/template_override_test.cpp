// Kernels from templates on disk (ATTNJIT_TEMPLATE_DIR) beside kernels from the library's own templates: which part of
// the text a key depends on, and that neither is mistaken for the other.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "attnjit/attnjit.hpp"
#include "jit/templates.h"
#include "operators/mask_from_topk/kernels.h"
#include "operators/merge_states/kernels.h"
#include "runtime/context_impl.h"
#include "tests/tools/temporary_folder.h"

namespace attnjit {
namespace {

namespace fs = std::filesystem;

class TemplateOverride : public ::testing::Test {
 protected:
  void SetUp() override { ::unsetenv("ATTNJIT_TEMPLATE_DIR"); }
  void TearDown() override { ::unsetenv("ATTNJIT_TEMPLATE_DIR"); }

  /// The library's templates in a folder, with `line` appended to the file `changed` if one is named.
  fs::path templates(const std::string& name, const std::string& changed = "", const std::string& line = "") {
    const fs::path root = folder_ / name;
    for (const auto& [file, text] : jit::Templates::embedded().files()) {
      fs::create_directories((root / file).parent_path());
      std::ofstream(root / file) << text << (file == changed ? line + "\n" : "");
    }
    return root;
  }
  /// A context without a device. Its templates are those in `directory`, or the library's.
  Context context(const fs::path& directory = {}) {
    if (!directory.empty()) ::setenv("ATTNJIT_TEMPLATE_DIR", directory.c_str(), 1);
    ContextOptions options;
    options.device = ContextOptions::kNoDevice;
    options.arch = "sm_80";
    options.cache_path = folder_ / "cache";
    Context made(options);
    ::unsetenv("ATTNJIT_TEMPLATE_DIR");
    return made;
  }
  /// A kernel that compiles in a tenth of a second and includes core/merge.cuh.
  static runtime::KernelPlan merge_plan(const Context& context) {
    return runtime::choose_merge_states({.head_dim = 64}, runtime::context_impl(context)->features())->plans()[0];
  }
  static std::string key(const Context& context, const runtime::KernelPlan& plan) {
    return runtime::context_impl(context)->loader().key_fields(plan).key().hex();
  }
  static cache::Found prepare(const Context& context) {
    return runtime::context_impl(context)->loader().prepare(merge_plan(context));
  }

  test::TemporaryFolder folder_;
};

constexpr const char* kChange = "namespace attnjit::kernel { inline constexpr int kNobodyUsesThis = 1; }";

TEST_F(TemplateOverride, ChangedTextIsAnotherKernelAndStaysLocal) {
  const Context changed = context(templates("changed", "core/merge.cuh", kChange));
  const Context own = context();
  EXPECT_NE(key(changed, merge_plan(changed)), key(own, merge_plan(own)));

  const cache::Found local = prepare(changed);
  EXPECT_EQ(local.tier, cache::Tier::kCompiled);
  EXPECT_TRUE(local.entry->local) << "made from somebody's templates, and not marked";
  // Same store, but the library's own kernel is not in it yet.
  const cache::Found shared = prepare(own);
  EXPECT_EQ(shared.tier, cache::Tier::kCompiled) << "a kernel of changed templates was taken for the library's";
  EXPECT_FALSE(shared.entry->local);
  // Each context finds its own kernel again.
  EXPECT_EQ(prepare(context(folder_ / "changed")).entry->image, local.entry->image);
  const cache::Found again = prepare(context());
  EXPECT_EQ(again.tier, cache::Tier::kStore);
  EXPECT_FALSE(again.entry->local);
}

TEST_F(TemplateOverride, AKeyDependsOnNothingThatItsKernelDoesNotInclude) {
  const Context changed = context(templates("changed", "core/merge.cuh", kChange));
  const Context own = context();
  const runtime::KernelPlan other = runtime::mask_from_topk_plan();
  EXPECT_EQ(key(changed, other), key(own, other));
}

TEST_F(TemplateOverride, AKeyDependsOnTheTextAndNotOnItsPlace) {
  const Context here = context(templates("here", "core/merge.cuh", kChange));
  const Context there = context(templates("there", "core/merge.cuh", kChange));
  EXPECT_EQ(key(here, merge_plan(here)), key(there, merge_plan(there)));
  EXPECT_EQ(prepare(here).tier, cache::Tier::kCompiled);
  EXPECT_EQ(prepare(there).tier, cache::Tier::kStore);
}

}  // namespace
}  // namespace attnjit
