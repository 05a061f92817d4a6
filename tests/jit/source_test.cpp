#include "jit/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnjit/error.hpp"
#include "fixtures.h"

namespace attnjit::jit {
namespace {

using test::Element;
using test::TinyConfig;
using ::testing::HasSubstr;

enum class Odd { kOne };
[[maybe_unused]] const char* type_name(Odd) { return "Odd"; }
[[maybe_unused]] const char* value_name(Odd) { return "say \"one\" */"; }

struct OddConfig {
  template <class Visitor>
  void visit(Visitor& visitor) const {
    visitor("odd", Odd::kOne);
  }
};

TEST(Fields, AreTextInSourceAndJson) {
  const auto fields = fields_of(TinyConfig{.element = Element::kBFloat16, .width = -3, .doubled = false});
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].name, "element");
  EXPECT_EQ(fields[0].source, "Element{1}");
  EXPECT_EQ(fields[0].json, "\"bf16\"");
  EXPECT_EQ(fields[1].name, "width");
  EXPECT_EQ(fields[1].source, "-3");
  EXPECT_EQ(fields[1].json, "-3");
  EXPECT_EQ(fields[2].source, "false");
  EXPECT_EQ(fields[2].json, "false");
}

TEST(Fields, IntegersOfEverySizeAreNumbers) {
  FieldCollector collector;
  collector("byte", static_cast<unsigned char>(65));
  collector("wide", 5'000'000'000LL);
  const auto fields = collector.take();
  EXPECT_EQ(fields[0].source, "65");
  EXPECT_EQ(fields[1].source, "5000000000");
}

TEST(Fields, AValueNameThatNeedsEscapesIsAFault) {
  try {
    fields_of(OddConfig{});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kInternal);
    EXPECT_THAT(error.what(), HasSubstr("odd"));
  }
}

TEST(KernelSpec, NamesFollowTheFamily) {
  const KernelSpec spec = test::tiny_spec();
  EXPECT_EQ(spec.header(), "kernels/tiny.cuh");
  EXPECT_EQ(spec.entry(), "attnjit_tiny");
  EXPECT_EQ(spec.config_json(), R"({"element":"bf16","width":64,"doubled":true})");
  EXPECT_EQ(KernelSpec{}.config_json(), "{}");
}

TEST(Generate, WritesTheWholeText) {
  const Source source = generate(test::tiny_spec());
  EXPECT_EQ(source.name, "tiny {element=bf16, width=64, doubled=true}");
  EXPECT_EQ(source.entry, "attnjit_tiny");
  EXPECT_EQ(source.header, "kernels/tiny.cuh");
  EXPECT_EQ(source.text, R"(#include "kernels/tiny.cuh"

namespace attnjit::kernel {

constexpr TinyConfig kConfig{.element = Element{1} /* bf16 */, .width = 64, .doubled = true};

extern "C" __global__ void __launch_bounds__(threads(kConfig), min_ctas_per_sm(kConfig))
attnjit_tiny(const __grid_constant__ TinyParams params) {
  tiny<kConfig>(params);
}

}  // namespace attnjit::kernel
)");
}

}  // namespace
}  // namespace attnjit::jit
