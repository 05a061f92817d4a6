#include "runtime/argument_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "attnjit/error.hpp"
#include "runtime/checked.h"
#include "runtime/dtypes.h"

namespace attnjit::runtime {
namespace {

constexpr std::int64_t kRowAlignment = 16;  // bytes: cp.async, TMA and 16-byte stores

std::string shape_text(const Tensor& t) {
  return fmt::format("[{}]", fmt::join(t.shape.begin(), t.shape.begin() + t.rank, ", "));
}

std::string wanted_text(std::initializer_list<std::int64_t> shape) {
  std::vector<std::string> dims;
  for (const std::int64_t dim : shape) dims.push_back(dim == kAnySize ? "any" : std::to_string(dim));
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

bool shape_matches(const Tensor& t, std::initializer_list<std::int64_t> shape) {
  if (t.rank != static_cast<int>(shape.size())) return false;
  int dim = 0;
  for (const std::int64_t size : shape) {
    if (t.shape[dim] < 0 || (size != kAnySize && t.shape[dim] != size)) return false;
    ++dim;
  }
  return true;
}

bool is_empty(const Tensor& t) {
  for (int dim = 0; dim < t.rank; ++dim) {
    if (t.shape[dim] == 0) return true;
  }
  return false;
}

/// For a power of two: a real division would cost as much as all other checks of a tensor together.
bool is_multiple(std::int64_t value, std::int64_t power_of_two) { return (value & (power_of_two - 1)) == 0; }

}  // namespace

void ArgumentCheck::fail(const std::string& message) const {
  throw Error(Status::kInvalidArgument, fmt::format("{}: {}", operator_, message));
}

bool ArgumentCheck::layout(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
                           Access access, std::int64_t alignment) const {
  if (!t.given()) [[unlikely]] {
    fail(fmt::format("{} is not given; it must be a {} tensor {}", name, to_string(dtype), wanted_text(shape)));
  }
  if (t.dtype != dtype) [[unlikely]] {
    fail(fmt::format("{} has dtype {}; it must be {}: {}", name, to_string(t.dtype), to_string(dtype),
                     access == Access::kOutput ? "allocate it so" : "convert it"));
  }
  if (!shape_matches(t, shape)) [[unlikely]] {
    fail(fmt::format(
        "{} has shape {}; it must be {}: {}", name, shape_text(t), wanted_text(shape),
        access == Access::kOutput ? "allocate it so, or pass a view of that shape" : "pass a view of that shape"));
  }
  if (is_empty(t)) return false;  // pointer and strides of an empty tensor are never used
  if (t.data == nullptr) [[unlikely]] {
    fail(fmt::format("{} has a null pointer and shape {}; only a tensor of no elements may have one: give its address",
                     name, shape_text(t)));
  }
  if (!is_multiple(static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(t.data)), alignment)) [[unlikely]] {
    fail(fmt::format("{} starts at {}; it must start at a multiple of {} bytes: allocate it there, or copy it", name,
                     fmt::ptr(t.data), alignment));
  }
  std::int64_t sizes = 0, strides = 0;  // upper bounds, within a factor of 2
  for (int dim = 0; dim < t.rank; ++dim) {
    if (t.shape[dim] <= 1) continue;  // the stride of a dim of one element is never used
    const std::int64_t stride = t.strides[dim];
    sizes |= t.shape[dim];
    strides |= stride;
    if (stride < 0 || (stride == 0 && access == Access::kOutput)) [[unlikely]] {
      fail(fmt::format("{} has stride {} in dim {}; it must be {}", name, stride, dim,
                       access == Access::kOutput
                           ? "positive, since elements of an output may not overlap: allocate it so"
                           : "0 or positive: copy it"));
    }
  }
  // Four dims of 2^30 elements at strides of 2^28 span 2^60 elements, each of at most 4 bytes.
  if (sizes >= std::int64_t{1} << 30 || strides >= std::int64_t{1} << 28) [[unlikely]]
    reaches_within_64_bits(name, t);
  return true;
}

void ArgumentCheck::reaches_within_64_bits(const char* name, const Tensor& t) const {
  Checked last_element = 0;
  for (int dim = 0; dim < t.rank; ++dim) {
    if (t.shape[dim] > 1) last_element = last_element + Checked(t.shape[dim] - 1) * t.strides[dim];
  }
  if (!((last_element + 1) * element_bytes(t.dtype)).fits()) [[unlikely]] {
    fail(
        fmt::format("{} of shape {} with strides [{}] would reach over more than 2^63 bytes: pass a view "
                    "of memory that there is",
                    name, shape_text(t), fmt::join(t.strides.begin(), t.strides.begin() + t.rank, ", ")));
  }
}

/// Accepts dims that nest: in order of stride, each stride is at least as large as everything inside it. That holds for
/// any tensor that was allocated, permuted and sliced. Interleaved dims are refused, although they may be free of
/// overlap too.
void ArgumentCheck::elements_apart(const char* name, const Tensor& t) const {
  bool nested = true;  // in dim order, as for most outputs
  std::int64_t within = 1;
  for (int dim = t.rank - 1; dim >= 0; --dim) {
    if (t.shape[dim] <= 1) continue;
    nested &= t.strides[dim] >= within;
    within += (t.shape[dim] - 1) * t.strides[dim];
  }
  if (nested) [[likely]]
    return;

  std::array<int, Tensor::kMaxRank> order{};
  int dims = 0;
  for (int dim = t.rank - 1; dim >= 0; --dim) {
    if (t.shape[dim] <= 1) continue;
    int place = dims++;
    for (; place > 0 && t.strides[order[place - 1]] > t.strides[dim]; --place) order[place] = order[place - 1];
    order[place] = dim;
  }
  std::int64_t extent = 1;  // of the dims so far; layout() has checked that it fits
  for (int i = 0; i < dims; ++i) {
    const int dim = order[i];
    if (t.strides[dim] < extent) [[unlikely]] {
      fail(
          fmt::format("{} has stride {} in dim {}, and its other dims reach over {} elements; the strides of an "
                      "output must nest, so that its elements may not overlap: allocate it so",
                      name, t.strides[dim], dim, extent));
    }
    extent += (t.shape[dim] - 1) * t.strides[dim];
  }
}

void ArgumentCheck::contiguous_columns(const char* name, const Tensor& t) const {
  const int last = t.rank - 1;
  if (t.shape[last] > 1 && t.strides[last] != 1) [[unlikely]] {
    fail(
        fmt::format("{} has stride {} in its last dim; it must be 1: make the rows contiguous", name, t.strides[last]));
  }
}

void ArgumentCheck::rows(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
                         Access access) const {
  if (!layout(name, t, dtype, shape, access, kRowAlignment)) return;
  contiguous_columns(name, t);
  const int last = t.rank - 1;
  const std::int64_t elements_per_unit = kRowAlignment / element_bytes(dtype);
  for (int dim = 0; dim < last; ++dim) {
    if (t.shape[dim] > 1 && !is_multiple(t.strides[dim], elements_per_unit)) [[unlikely]] {
      fail(fmt::format("{} has stride {} in dim {}; it must be a multiple of {} elements ({} bytes): pad the rows",
                       name, t.strides[dim], dim, elements_per_unit, kRowAlignment));
    }
  }
  if (access == Access::kOutput) elements_apart(name, t);
}

void ArgumentCheck::elements(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
                             Access access) const {
  if (layout(name, t, dtype, shape, access, element_bytes(dtype)) && access == Access::kOutput) elements_apart(name, t);
}

void ArgumentCheck::words(const char* name, const Tensor& t, DType dtype, std::initializer_list<std::int64_t> shape,
                          Access access) const {
  if (!layout(name, t, dtype, shape, access, element_bytes(dtype))) return;
  contiguous_columns(name, t);
  if (access == Access::kOutput) elements_apart(name, t);
}

void ArgumentCheck::vector(const char* name, const Tensor& t, DType dtype, std::int64_t size) const {
  layout(name, t, dtype, {size}, Access::kInput, element_bytes(dtype));
  if (t.shape[0] > 1 && t.strides[0] != 1) [[unlikely]] {
    fail(fmt::format("{} has stride {}; it must be 1: make it contiguous", name, t.strides[0]));
  }
}

void ArgumentCheck::given(const char* name, const Tensor& t, const char* why) const {
  if (!t.given()) [[unlikely]]
    fail(fmt::format("{} is not given; {}", name, why));
}

void ArgumentCheck::absent(const char* name, const Tensor& t, const char* why) const {
  if (t.given()) [[unlikely]]
    fail(fmt::format("{} is given; {}", name, why));
}

float ArgumentCheck::softmax_scale_log2(float scale) const {
  const float log2 = scale * std::numbers::log2e_v<float>;
  if (!(log2 > 0) || std::isinf(log2)) [[unlikely]] {
    fail(
        fmt::format("softmax_scale is {}; it must be finite and positive, also times log2(e) in float32, for example "
                    "1 / sqrt(head_dim_qk)",
                    scale));
  }
  return log2;
}

int ArgumentCheck::count(const char* of_what, std::int64_t value) const {
  if (value > kMostCounted) [[unlikely]]
    fail(fmt::format("{} {}; at most 2^31 - 1024 are served: split the call", value, of_what));
  return static_cast<int>(value);
}

void ArgumentCheck::longest(const char* name, std::int64_t value) const {
  if (value == -1) [[unlikely]] {
    fail(fmt::format("{} is not given; it must be an upper bound of the sequences' lengths, 0 where all are empty",
                     name));
  }
  not_negative(name, value);
}

void ArgumentCheck::not_negative(const char* name, std::int64_t value) const {
  if (value < 0) [[unlikely]]
    fail(fmt::format("{} is {}; it must be 0 or more", name, value));
}

}  // namespace attnjit::runtime
