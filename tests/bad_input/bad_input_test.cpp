// Every fault that a user can make, through both APIs: it is found before anything is launched, and the message helps.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <tuple>

#include "tests/bad_input/advice.h"
#include "tests/bad_input/machine.h"
#include "tests/bad_input/merge_states_operation.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/bad_input/mla_decode_operation.h"
#include "tests/bad_input/rows.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {

std::vector<Row> all_rows() {
  std::vector<Row> all;
  for (std::vector<Row> rows : {context_rows(), compiler_rows(), mha_varlen_rows(), masked_mha_rows(),
                                merge_states_rows(), mla_decode_rows()}) {
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
  expect_advice(outcome.message);
  EXPECT_TRUE(fake_cuda::state().launches.empty()) << "a refused call was launched";
}

INSTANTIATE_TEST_SUITE_P(Rows, BadInput,
                         testing::Combine(testing::ValuesIn(all_rows()), testing::Values(Api::kCpp, Api::kC)),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + "_" + to_string(std::get<1>(test.param));
                         });

/// An operation before a row breaks it.
struct Good {
  const char* name;
  std::function<std::unique_ptr<Operation>()> make;
  std::size_t launches = 1;
};
void PrintTo(const Good& good, std::ostream* stream) { *stream << good.name; }

const Good kGood[] = {
    {"mha_varlen", [] { return std::make_unique<MhaVarlenOperation>(); }},
    {"mla_decode", [] { return std::make_unique<MlaDecodeOperation>(); }, 2},
    {"merge_states", [] { return std::make_unique<MergeStatesOperation>(); }},
    {"merge_five_states",
     [] {
       auto operation = std::make_unique<MergeStatesOperation>();
       operation->params = test::five_states();
       return operation;
     }},
};

class GoodInput : public testing::TestWithParam<std::tuple<Good, Api>> {
 private:
  Machine machine_;
};

/// The operations that the rows break are valid beforehand. Otherwise a row could pass because of another fault.
TEST_P(GoodInput, IsLaunched) {
  const auto& [good, api] = GetParam();
  const auto operation = good.make();
  const Outcome outcome = attempt(api, fake_device(), operation.get());
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_EQ(fake_cuda::state().launches.size(), good.launches);
}

INSTANTIATE_TEST_SUITE_P(Rows, GoodInput,
                         testing::Combine(testing::ValuesIn(kGood), testing::Values(Api::kCpp, Api::kC)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" + to_string(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace attnjit::bad_input
