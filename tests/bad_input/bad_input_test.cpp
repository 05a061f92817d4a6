// Every fault that a user can make, through both APIs: found before anything is launched, and told in words that help.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <tuple>

#include "tests/bad_input/machine.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/bad_input/mla_decode_operation.h"
#include "tests/bad_input/rows.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (std::vector<Row> rows :
       {context_rows(), compiler_rows(), mha_varlen_rows(), masked_mha_rows(), mla_decode_rows()}) {
    all.insert(all.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
  }
  return all;
}

namespace {

/// The machine is as it should be before each row.
class Machine {
 public:
  Machine() { fake_cuda::reset(); }
  ~Machine() { fake_cuda::reset(); }

 private:
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
  ScopedEnvironment templates_{"ATTNJIT_TEMPLATE_DIR", nullptr};
};

class BadInput : public testing::TestWithParam<std::tuple<Row, Api>> {
 private:
  Machine machine_;
};

TEST_P(BadInput, IsToldInWordsThatHelp) {
  const auto& [row, api] = GetParam();
  const Outcome outcome = row.attempt(api);
  EXPECT_EQ(outcome.status, row.status) << outcome.message;
  for (const std::string& word : row.words) {
    EXPECT_NE(outcome.message.find(word), std::string::npos) << "'" << word << "' is missing in: " << outcome.message;
  }
  EXPECT_TRUE(fake_cuda::state().launches.empty()) << "a refused call was launched";
}

INSTANTIATE_TEST_SUITE_P(Rows, BadInput,
                         testing::Combine(testing::ValuesIn(all_rows()), testing::Values(Api::kCpp, Api::kC)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + "_" + to_string(std::get<1>(test.param));
                         });

class GoodInput : public testing::TestWithParam<Api> {
 private:
  Machine machine_;
};

/// What the rows spoil is good before: else any of them could pass by another fault than its own.
TEST_P(GoodInput, IsLaunched) {
  const MhaVarlenOperation operation;
  const Outcome outcome = attempt(GetParam(), fake_device(), &operation);
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_EQ(fake_cuda::state().launches.size(), 1u);
}

TEST_P(GoodInput, OfDecodeIsLaunchedTwice) {
  const MlaDecodeOperation operation;
  const Outcome outcome = attempt(GetParam(), fake_device(), &operation);
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_EQ(fake_cuda::state().launches.size(), 2u);
}

INSTANTIATE_TEST_SUITE_P(Rows, GoodInput, testing::Values(Api::kCpp, Api::kC),
                         [](const auto& test) { return to_string(test.param); });

/// Only a DLTensor says on which device it is.
TEST(TensorOfAnotherDevice, IsNamedByTheCApi) {
  const Machine machine;
  MhaVarlenOperation operation;
  operation.tensors_device = 1;
  const Outcome outcome = attempt(Api::kC, fake_device(), &operation);
  EXPECT_EQ(outcome.status, Status::kInvalidArgument);
  EXPECT_THAT(outcome.message, testing::StartsWith("q: it is on device 1, but the operator was made for device 0"));
  EXPECT_THAT(outcome.message, testing::HasSubstr("copy it there"));
  EXPECT_TRUE(fake_cuda::state().launches.empty());
}

}  // namespace
}  // namespace attnjit::bad_input
