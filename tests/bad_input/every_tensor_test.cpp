// The faults that every tensor of every operator can have, generated from the lists of fields: a null pointer, a
// misaligned one, a negative stride, another dtype, another rank, other sizes. Each is refused through both APIs, under
// the tensor's name, and nothing is launched. What is particular to an operator stands in the tables of rows.h.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "operators/mask_from_topk/fields.h"
#include "operators/masked_mha/fields.h"
#include "operators/merge_states/fields.h"
#include "operators/mha_varlen/fields.h"
#include "operators/mla_decode/fields.h"
#include "tests/bad_input/advice.h"
#include "tests/bad_input/machine.h"
#include "tests/bad_input/masked_mha_operation.h"
#include "tests/bad_input/merge_states_operation.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/bad_input/mla_decode_operation.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

/// Calls visit(name, tensor) for each tensor that the call has.
template <class Params, class Visit>
void visit_tensors(Params& params, const Visit& visit) {
  runtime::for_each_field<Params>([&](const auto& field) {
    auto& member = params.*field.cpp;
    using Member = std::remove_reference_t<decltype(member)>;
    if constexpr (std::is_same_v<Member, Tensor>) {
      if (member.given()) visit(field.name, member);
    } else if constexpr (std::is_class_v<Member> && !std::is_same_v<Member, Workspace>) {
      visit_tensors(member, visit);
    }
  });
}

struct Fault {
  const char* name;
  /// Returns false where this tensor cannot have the fault.
  std::function<bool(Tensor&)> make;
  const char* words;  // of the message, behind the tensor's name; null where another tensor may be named
};

bool has_rows(const Tensor& tensor) { return tensor.shape[0] > 1; }

const Fault kFaults[] = {
    {"null", [](Tensor& t) { return t.data = nullptr, true; }, " has a null pointer"},
    {"misaligned",
     [](Tensor& t) {
       t.data = static_cast<char*>(t.data) + 2;
       return size_in_bytes(t.dtype) == 4 || t.rank > 1;
     },
     " starts at 0x"},
    {"negative_stride",
     [](Tensor& t) {
       t.strides[0] = -std::max<std::int64_t>(t.strides[0], 1);
       return has_rows(t);
     },
     " has stride -"},
    {"dtype",
     [](Tensor& t) {
       t.dtype = t.dtype == DType::kInt32 ? DType::kFloat32 : DType::kInt32;
       return true;
     },
     " has dtype "},
    {"rank",
     [](Tensor& t) {
       if (t.rank == Tensor::kMaxRank) return false;
       t.shape[t.rank] = t.strides[t.rank] = 1;
       ++t.rank;
       return true;
     },
     " has shape "},
    {"fewer_columns",  // index tensors may have any number
     [](Tensor& t) {
       t.shape[t.rank - 1] -= 1;
       return t.rank > 1 && t.shape[t.rank - 1] > 0 && t.dtype != DType::kInt32;
     },
     nullptr},
};

/// An operator's call, for either API; a new one for each fault.
template <class Operation>
class EveryTensor {
 public:
  EveryTensor(const char* name, std::function<std::unique_ptr<Operation>()> make)
      : name_(name), make_(std::move(make)) {}

  void expect_all_refused() const {
    std::vector<std::string> tensors;
    visit_tensors(make_()->params, [&](const char* name, Tensor&) { tensors.emplace_back(name); });
    EXPECT_GE(tensors.size(), 5u) << "which tensors does this call have?";
    for (const std::string& tensor : tensors) {
      for (const Fault& fault : kFaults) expect_refused(tensor, fault);
    }
  }

 private:
  void expect_refused(const std::string& tensor, const Fault& fault) const {
    const auto spoilt = make_();
    bool made = false;
    visit_tensors(spoilt->params, [&](const char* name, Tensor& t) {
      if (name == tensor) made = fault.make(t);
    });
    if (!made) return;
    for (const Api api : {Api::kCpp, Api::kC}) {
      SCOPED_TRACE(fmt::format("{}: {}_{} {}", name_, tensor, fault.name, to_string(api)));
      fake_cuda::reset();
      const Outcome outcome = attempt(api, fake_device(), spoilt.get());
      EXPECT_EQ(outcome.status, Status::kInvalidArgument) << outcome.message;
      if (fault.words) {
        EXPECT_NE(outcome.message.find(tensor + fault.words), std::string::npos) << outcome.message;
      }
      expect_advice(outcome.message);
      EXPECT_TRUE(fake_cuda::state().launches.empty()) << "a refused call was launched";
    }
  }

  const char* name_;
  std::function<std::unique_ptr<Operation>()> make_;
};

class EveryTensorOf : public ::testing::Test {
 private:
  ScopedEnvironment driver_{"ATTNJIT_LIBCUDA", FAKE_CUDA_PATH};
  ScopedEnvironment templates_{"ATTNJIT_TEMPLATE_DIR", nullptr};
};

TEST_F(EveryTensorOf, MhaVarlen) {
  EveryTensor<MhaVarlenOperation>("mha_varlen", [] {
    return std::make_unique<MhaVarlenOperation>();
  }).expect_all_refused();
}
TEST_F(EveryTensorOf, MaskedMha) {
  EveryTensor<MaskedMhaOperation>("masked_mha", [] {
    return std::make_unique<MaskedMhaOperation>();
  }).expect_all_refused();
}
TEST_F(EveryTensorOf, MaskFromTopk) {
  EveryTensor<MaskFromTopkOperation>("mask_from_topk", [] {
    return std::make_unique<MaskFromTopkOperation>();
  }).expect_all_refused();
}
TEST_F(EveryTensorOf, MlaDecode) {
  EveryTensor<MlaDecodeOperation>("mla_decode", [] {
    return std::make_unique<MlaDecodeOperation>();
  }).expect_all_refused();
}
TEST_F(EveryTensorOf, MergeStates) {
  EveryTensor<MergeStatesOperation>("merge_states", [] {
    return std::make_unique<MergeStatesOperation>();
  }).expect_all_refused();
}

}  // namespace
}  // namespace attnjit::bad_input
