// The lists of fields (operators/*/fields.h): each C field reaches the C++ member of its name, and attnjit_abi_json()
// gives its offset.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <nlohmann/json.hpp>
#include <set>

#include "attnjit/attnjit.h"
#include "capi/convert.h"
#include "operators/mask_from_topk/fields.h"
#include "operators/masked_mha/fields.h"
#include "operators/merge_states/fields.h"
#include "operators/mha_varlen/fields.h"
#include "operators/mla_decode/fields.h"

namespace attnjit {
namespace {

using Json = nlohmann::json;
using runtime::Fields;

/// Gives every field of C structs a distinct value and records where the tensors are.
class Distinct {
 public:
  template <class Cpp>
  typename Fields<Cpp>::C struct_of() {
    typename Fields<Cpp>::C c = Fields<Cpp>::kStruct.defaults;
    runtime::for_each_field<Cpp>([&](const auto& field) {
      if constexpr (requires { field.c_data; }) {
        c.*field.c_data = reinterpret_cast<void*>(0x1000 * next());
        c.*field.c_bytes = static_cast<std::size_t>(next());
      } else {
        set<Cpp>(c, field);
      }
    });
    return c;
  }

  template <class Cpp>
  void expect_equal(const Cpp& cpp, const typename Fields<Cpp>::C& c) {
    runtime::for_each_field<Cpp>([&](const auto& field) {
      SCOPED_TRACE(field.name);
      if constexpr (requires { field.c_data; }) {
        EXPECT_EQ((cpp.*field.cpp).data, c.*field.c_data);
        EXPECT_EQ((cpp.*field.cpp).bytes, c.*field.c_bytes);
      } else {
        expect_field(cpp.*field.cpp, c.*field.c);
      }
    });
  }

 private:
  std::intptr_t next() { return ++count_; }

  template <class Cpp, class C, class Member, class CMember>
  void set(C& c, const runtime::Field<Member Cpp::*, CMember C::*>& field) {
    if constexpr (std::is_same_v<Member, Tensor>) {
      DLTensor& tensor = tensors_.emplace_back();
      tensor.data = reinterpret_cast<void*>(0x1000 * next());
      tensor.device = {kDLCUDA, 0};
      tensor.dtype = {kDLFloat, 32, 1};
      tensor.ndim = 1;
      tensor.shape = &one_;
      c.*field.c = &tensor;
    } else if constexpr (std::is_pointer_v<CMember>) {
      nested_ = struct_of<Member>();
      c.*field.c = &nested_;
    } else if constexpr (std::is_same_v<Member, bool>) {
      c.*field.c = 1 - c.*field.c;
    } else if constexpr (std::is_same_v<Member, DType>) {
      c.*field.c = ATTNJIT_FLOAT16;  // no default
    } else if constexpr (std::is_same_v<Member, std::optional<DType>>) {
      c.*field.c = ATTNJIT_FLOAT8_E4M3;
    } else {
      c.*field.c = static_cast<CMember>(next());
    }
  }

  template <class Member, class CMember>
  void expect_field(const Member& member, const CMember& c) {
    if constexpr (std::is_same_v<Member, Tensor>) {
      EXPECT_EQ(member.data, c->data);
    } else if constexpr (std::is_pointer_v<CMember>) {
      expect_equal(member, *c);
    } else if constexpr (std::is_same_v<Member, std::optional<DType>>) {
      EXPECT_EQ(static_cast<int>(member.value()), c);
    } else {
      EXPECT_EQ(static_cast<CMember>(member), c);
    }
  }

  std::intptr_t count_ = 0;
  std::int64_t one_ = 1;
  std::deque<DLTensor> tensors_;
  attnjit_mha_varlen_params nested_{};
};

template <class Cpp>
class FieldsOf : public ::testing::Test {};
using Structs = ::testing::Types<MhaVarlenConfig, MhaVarlenParams, MlaDecodeConfig, MlaDecodeParams, MaskFromTopkParams,
                                 MaskedMhaParams, MaskedMhaBounds, MergeStatesConfig, MergeStatesParams>;
TYPED_TEST_SUITE(FieldsOf, Structs);

TYPED_TEST(FieldsOf, CReachTheMembersOfTheirNames) {
  Distinct distinct;
  const auto c = distinct.struct_of<TypeParam>();
  distinct.expect_equal(c_api::from_c<TypeParam>(&c), c);
}

TYPED_TEST(FieldsOf, CAreWhereTheJsonSays) {
  const Json json = Json::parse(attnjit_abi_json());
  const auto& known = Fields<TypeParam>::kStruct;
  const Json& described = json.at("structs").at(known.name);
  EXPECT_EQ(described.at("size"), sizeof(known.defaults));
  std::set<std::string> names;
  for (const Json& field : described.at("fields")) names.insert(field.at("name"));
  runtime::for_each_field<TypeParam>([&](const auto& field) { EXPECT_EQ(names.count(field.name), 1u) << field.name; });
  for (const Json& field : described.at("fields")) {
    if (field.at("type") != "int32" && field.at("type") != "bool") continue;
    std::int32_t value = 0;
    std::memcpy(&value, reinterpret_cast<const char*>(&known.defaults) + field.at("offset").get<std::size_t>(), 4);
    EXPECT_EQ(field.at("default"), value) << field.at("name");
  }
}

TEST(AbiJson, NamesWhatTheHeaderHas) {
  const Json json = Json::parse(attnjit_abi_json());
  EXPECT_EQ(json.at("abi"), ATTNJIT_ABI_VERSION);
  EXPECT_EQ(json.at("dtypes").at("float8_e4m3").at("value"), static_cast<int>(ATTNJIT_FLOAT8_E4M3));
  EXPECT_EQ(json.at("cache_formats").at("e4m3_rows"), static_cast<int>(ATTNJIT_CACHE_E4M3_ROWS));
  for (const char* name : {"mha_varlen", "mla_decode", "mask_from_topk", "masked_mha", "merge_states"}) {
    const Json& described = json.at("operators").at(name);
    EXPECT_TRUE(json.at("structs").contains(described.at("params"))) << name;
  }
  const Json& options = json.at("structs").at("attnjit_context_options");
  EXPECT_EQ(options.at("size"), sizeof(attnjit_context_options));
  for (const Json& field : options.at("fields")) {
    if (field.at("name") == "cache_max_bytes") {
      EXPECT_EQ(field.at("offset"), offsetof(attnjit_context_options, cache_max_bytes));
      EXPECT_EQ(field.at("default"), -1);
    }
  }
  EXPECT_EQ(attnjit_abi_json(), attnjit_abi_json()) << "it is valid for the life of the process";
}

}  // namespace
}  // namespace attnjit
