// Views: from sizes, from strides, from DLPack.
#include "attnjit/tensor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "attnjit/error.hpp"

namespace attnjit {
namespace {

using ::testing::HasSubstr;

/// A DLTensor of device memory, [3, 4] of `dtype`, whose shape and strides live as long as it does.
struct Dl {
  std::vector<std::int64_t> shape{3, 4};
  std::vector<std::int64_t> strides{};
  alignas(16) char memory[64]{};
  DLTensor tensor{};

  explicit Dl(DLDataType dtype = {kDLBfloat, 16, 1}) {
    tensor.data = memory;
    tensor.device = {kDLCUDA, 0};
    tensor.dtype = dtype;
  }
  const DLTensor& get() {
    tensor.ndim = static_cast<int>(shape.size());
    tensor.shape = shape.data();
    tensor.strides = strides.empty() ? nullptr : strides.data();
    return tensor;
  }
};

std::string refusal(const DLTensor& tensor) {
  try {
    Tensor::from_dlpack(tensor);
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

TEST(Tensor, ContiguousIsRowMajor) {
  char memory = 0;
  const Tensor tensor = Tensor::contiguous(&memory, DType::kFloat16, {5, 7, 16});
  EXPECT_EQ(tensor.data, &memory);
  EXPECT_EQ(tensor.dtype, DType::kFloat16);
  EXPECT_EQ(tensor.rank, 3);
  EXPECT_EQ(tensor.elements(), 5 * 7 * 16);
  EXPECT_EQ(tensor.strides, (std::array<std::int64_t, 4>{112, 16, 1, 0}));
}

TEST(Tensor, DefaultIsNotGiven) {
  EXPECT_FALSE(Tensor{}.given());
  EXPECT_TRUE(Tensor::contiguous(nullptr, DType::kInt32, {0}).given());
}

TEST(Tensor, DimsOfSizeZeroCountAsOneInStrides) {
  const Tensor tensor = Tensor::contiguous(nullptr, DType::kFloat16, {2, 0, 8});
  EXPECT_EQ(tensor.elements(), 0);
  EXPECT_EQ(tensor.strides, (std::array<std::int64_t, 4>{8, 8, 1, 0}));
}

TEST(Tensor, StridedKeepsStridesAsGiven) {
  const Tensor tensor = Tensor::strided(nullptr, DType::kFloat32, {5, 7}, {0, -3});
  EXPECT_EQ(tensor.strides[0], 0);
  EXPECT_EQ(tensor.strides[1], -3);  // the operator refuses it, since it can name the tensor
}

TEST(Tensor, RefusesWhatItCannotHold) {
  EXPECT_THROW(Tensor::contiguous(nullptr, DType::kFloat16, {1, 1, 1, 1, 1}), Error);
  EXPECT_THROW(Tensor::contiguous(nullptr, DType::kFloat16, {2, -1}), Error);
  EXPECT_THROW(Tensor::strided(nullptr, DType::kFloat16, {2, 2}, {1}), Error);
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max() / 2;
  EXPECT_THROW(Tensor::contiguous(nullptr, DType::kFloat16, {2, kHuge, kHuge}), Error);
}

TEST(DType, NamesAndSizes) {
  EXPECT_STREQ(to_string(DType::kFloat16), "float16");
  EXPECT_STREQ(to_string(DType::kBFloat16), "bfloat16");
  EXPECT_STREQ(to_string(DType::kFloat8E4M3), "float8_e4m3");
  EXPECT_STREQ(to_string(DType::kFloat32), "float32");
  EXPECT_STREQ(to_string(DType::kInt32), "int32");
  EXPECT_EQ(size_in_bytes(DType::kFloat16), 2);
  EXPECT_EQ(size_in_bytes(DType::kBFloat16), 2);
  EXPECT_EQ(size_in_bytes(DType::kFloat8E4M3), 1);
  EXPECT_EQ(size_in_bytes(DType::kFloat32), 4);
  EXPECT_EQ(size_in_bytes(DType::kInt32), 4);
}

TEST(FromDlpack, EveryDType) {
  const std::pair<DLDataType, DType> pairs[] = {{{kDLFloat, 16, 1}, DType::kFloat16},
                                                {{kDLBfloat, 16, 1}, DType::kBFloat16},
                                                {{10, 8, 1}, DType::kFloat8E4M3},
                                                {{kDLFloat, 32, 1}, DType::kFloat32},
                                                {{kDLInt, 32, 1}, DType::kInt32}};
  for (const auto& [dl_type, dtype] : pairs) {
    Dl dl(dl_type);
    EXPECT_EQ(Tensor::from_dlpack(dl.get()).dtype, dtype) << to_string(dtype);
  }
}

TEST(FromDlpack, RefusesOtherDTypes) {
  const DLDataType refused[] = {{kDLFloat, 64, 1}, {kDLInt, 16, 1},    {kDLUInt, 32, 1}, {kDLBfloat, 16, 2},
                                {10, 8, 4},        {10, 16, 1},        {11, 8, 1},       {12, 8, 1},
                                {kDLInt, 32, 0},   {kDLComplex, 64, 1}};
  for (const DLDataType& type : refused) {
    Dl dl(type);
    EXPECT_THAT(refusal(dl.get()), HasSubstr("DLPack dtype code " + std::to_string(type.code)));
    EXPECT_THAT(refusal(dl.get()), HasSubstr(std::to_string(type.bits) + " bits"));
  }
}

TEST(FromDlpack, SaysWhatToDoWithTheDTypesThatPeopleGive) {
  Dl lengths({kDLInt, 64, 1}), codes({kDLUInt, 8, 1});
  EXPECT_EQ(refusal(lengths.get()), "it is int64; lengths, page lists and indices must be int32: convert it");
  EXPECT_EQ(refusal(codes.get()), "it is uint8; where it holds e4m3 codes, view it as float8_e4m3fn");
}

TEST(FromDlpack, NullStridesMeanRowMajor) {
  Dl dl;
  EXPECT_EQ(Tensor::from_dlpack(dl.get()).strides, (std::array<std::int64_t, 4>{4, 1, 0, 0}));
  dl.strides = {1, 3};
  EXPECT_EQ(Tensor::from_dlpack(dl.get()).strides, (std::array<std::int64_t, 4>{1, 3, 0, 0}));
}

TEST(FromDlpack, ByteOffsetMovesThePointer) {
  Dl dl;
  dl.tensor.byte_offset = 32;
  EXPECT_EQ(Tensor::from_dlpack(dl.get()).data, dl.memory + 32);
  dl.tensor.data = nullptr;
  EXPECT_EQ(Tensor::from_dlpack(dl.get()).data, nullptr);
}

TEST(FromDlpack, ScalarIsOneElement) {
  Dl dl({kDLFloat, 32, 1});
  dl.shape.clear();
  const Tensor tensor = Tensor::from_dlpack(dl.get());
  EXPECT_TRUE(tensor.given());
  EXPECT_EQ(tensor.rank, 1);
  EXPECT_EQ(tensor.elements(), 1);
}

TEST(FromDlpack, TakesDeviceAndManagedMemoryOnly) {
  Dl dl;
  dl.tensor.device = {kDLCUDAManaged, 0};
  EXPECT_EQ(Tensor::from_dlpack(dl.get()).rank, 2);
  dl.tensor.device = {kDLCPU, 0};
  EXPECT_THAT(refusal(dl.get()), HasSubstr("CPU memory (DLPack device type 1)"));
  dl.tensor.device = {kDLCUDAHost, 0};
  EXPECT_THAT(refusal(dl.get()), HasSubstr("pinned host memory"));
  dl.tensor.device = {kDLROCM, 0};
  EXPECT_THAT(refusal(dl.get()), HasSubstr("ROCm memory"));
}

TEST(FromDlpack, RefusesBrokenShapes) {
  Dl dl;
  dl.shape = {1, 2, 3, 4, 5};
  EXPECT_THAT(refusal(dl.get()), HasSubstr("5 dims"));
  dl.shape = {3, -4};
  EXPECT_THAT(refusal(dl.get()), HasSubstr("dim 1 of a tensor has size -4"));
  dl.shape = {3, 4};
  DLTensor tensor = dl.get();
  tensor.shape = nullptr;
  EXPECT_THAT(refusal(tensor), HasSubstr("without a shape"));
  tensor = dl.get();
  tensor.ndim = -1;
  EXPECT_THAT(refusal(tensor), HasSubstr("-1 dims"));
}

}  // namespace
}  // namespace attnjit
