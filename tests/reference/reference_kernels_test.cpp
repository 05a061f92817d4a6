// The part of the plain kernels that can be tested without a GPU: they compile, once.
#include "verify/reference/reference_kernels.h"

#include <gtest/gtest.h>

#include "attnjit/context.hpp"
#include "runtime/context_impl.h"

namespace attnjit::reference {
namespace {

TEST(ReferenceKernels, OneTextWithoutIncludesOfItsOwn) {
  const std::string text = device_text();
  EXPECT_NE(text.find("attnjit_reference_fill"), std::string::npos);
  EXPECT_EQ(text.find("#pragma once"), std::string::npos);
  EXPECT_EQ(text.find("#include \"params.h\""), std::string::npos);
  EXPECT_NE(text.find("#include \"shared/types.h\""), std::string::npos);
}

TEST(ReferenceKernels, CompileOnceAndCleanly) {
  ContextOptions options;
  options.device = ContextOptions::kNoDevice;
  options.arch = "sm_90a";
  options.cache_path = ":memory:";
  const Context context(options);
  runtime::KernelLoader& loader = runtime::context_impl(context)->loader();

  const cache::Found compiled = prepare_reference_kernels(loader);
  EXPECT_EQ(compiled.tier, cache::Tier::kCompiled);
  EXPECT_EQ(compiled.entry->log.find("warning"), std::string::npos) << compiled.entry->log;
  for (const char* entry :
       {"reference_bf16", "reference_f16", "yardstick_bf16", "yardstick_f16", "reference_fill", "decode_reference_bf16",
        "decode_yardstick_f16", "reference_merge", "reference_scatter", "reference_take", "reference_count"}) {
    EXPECT_NE(compiled.entry->log.find(std::string("attnjit_") + entry), std::string::npos) << entry;
  }

  const cache::Found again = prepare_reference_kernels(loader);
  EXPECT_EQ(again.tier, cache::Tier::kMemory);
  EXPECT_EQ(again.entry->image, compiled.entry->image);
}

}  // namespace
}  // namespace attnjit::reference
