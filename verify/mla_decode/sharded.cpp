#include "verify/mla_decode/sharded.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>
#include <vector>

#include "verify/device.h"
#include "verify/merge_states/baseline.h"
#include "verify/mla_decode/tensors.h"
#include "verify/poison.h"

namespace attnjit::gpu_tests {
namespace {

DecodeKeys keys_of(const ShardedCase& c, const DecodeTensors& tensors, int rank) {
  DecodeKeys keys;
  for (int b = 0; b < c.whole.batch(); ++b) {
    const int total = c.whole.seq_lens[static_cast<std::size_t>(b)];
    const std::vector<int> slots = tensors.pages_of(b);
    const int share = std::max(1, (total + c.world - 1) / c.world);
    keys.page_begin.push_back(static_cast<std::int64_t>(keys.page_list.size()));
    for (int key = 0; key < total; ++key) {
      const int owner = c.interleaved ? key % c.world : key / share;
      if (owner == rank) keys.page_list.push_back(slots[static_cast<std::size_t>(key)]);
    }
    keys.seq_lens.push_back(
        static_cast<int>(static_cast<std::int64_t>(keys.page_list.size()) - keys.page_begin.back()));
  }
  if (c.interleaved) {
    keys.total_seq_lens = c.whole.seq_lens;
    keys.cp_rank = rank;
    keys.cp_world = c.world;
  }
  return keys;
}

/// Page lists and lengths as tensors for a call.
struct ShardTensors {
  explicit ShardTensors(const DecodeKeys& keys)
      : begin(keys.page_begin.begin(), keys.page_begin.end()),
        list_buffer(DeviceBuffer::of(keys.page_list)),
        lens_buffer(DeviceBuffer::of(keys.seq_lens)),
        totals_buffer(DeviceBuffer::of(keys.total_seq_lens)) {
    begin.push_back(static_cast<int>(keys.page_list.size()));
    begin_buffer = DeviceBuffer::of(begin);
  }
  void put(const DecodeKeys& keys, MlaDecodeParams& params) const {
    const auto ints = [](const DeviceBuffer& buffer, std::size_t count) {
      return Tensor::contiguous(buffer.data(), DType::kInt32, {static_cast<std::int64_t>(count)});
    };
    params.block_table = {};
    params.kv_indptr = ints(begin_buffer, begin.size());
    params.kv_indices = ints(list_buffer, keys.page_list.size());
    params.seq_lens = ints(lens_buffer, keys.seq_lens.size());
    if (!keys.total_seq_lens.empty()) params.total_seq_lens = ints(totals_buffer, keys.total_seq_lens.size());
    params.cp_rank = keys.cp_rank;
    params.cp_world = keys.cp_world;
  }

  std::vector<int> begin;
  DeviceBuffer list_buffer, lens_buffer, totals_buffer, begin_buffer;
};

DeviceBuffer poisoned(std::int64_t elements, DType dtype) {
  DeviceBuffer buffer(elements * size_in_bytes(dtype));
  buffer.fill(out_poison(dtype), size_in_bytes(dtype));
  return buffer;
}

}  // namespace

std::string ShardedCase::name() const {
  return fmt::format("{}_{}_{}", interleaved ? "interleaved" : "contiguous", world,
                     whole.e4m3_output() ? "e4m3" : "bf16");
}

DecodeCase ShardedCase::shard() const {
  DecodeCase c = whole;
  c.config.out_dtype.reset();
  return c;
}

MergeStatesConfig ShardedCase::merge() const {
  return {.head_dim = whole.config.kv_lora_rank,
          .dtype = DType::kBFloat16,
          .out_dtype = whole.e4m3_output() ? DType::kFloat8E4M3 : DType::kBFloat16};
}

void PrintTo(const ShardedCase& c, std::ostream* stream) {
  *stream << c.name() << " of ";
  PrintTo(c.whole, stream);
}

std::string ShardedResult::trouble() const {
  if (!wrong_place.empty()) return wrong_place;
  for (const auto& [what, verdict] : {std::pair{"joined out", &joined_out},
                                      {"joined lse", &joined_lse},
                                      {"whole out", &whole_out},
                                      {"whole lse", &whole_lse}}) {
    if (!verdict->ok()) return fmt::format("{}: {}", what, verdict->message());
  }
  return "";
}

ShardedResult run_sharded_decode(const ShardedCase& c, const ShardRunner& runner,
                                 const reference::PlainKernels& plain) {
  const DecodeTensors tensors(c.whole, plain);
  const bool e4m3 = c.whole.e4m3_output();
  ShardedResult result;

  // ---- one call over all keys
  reference::Expected expected = tensors.expected();
  runner.decode(c.whole, tensors.params(), tensors.bounds());
  const Output whole = tensors.take_output();
  result.wrong_place = whole.wrong_place;
  result.whole_out =
      e4m3 ? judge_e4m3(expected, whole.out_e4m3, c.whole.out_scale) : judge_16bit(expected, whole.out_16bit);
  result.whole_lse = judge_lse(expected, whole.lse);

  // ---- shard by shard
  const std::int64_t batch = c.whole.batch(), queries = c.whole.seqlen_q, heads = c.whole.heads;
  const std::int64_t tokens = batch * queries, rows = tokens * heads, columns = c.whole.config.kv_lora_rank;
  const DeviceBuffer outs = poisoned(c.world * rows * columns, DType::kBFloat16),
                     lses = poisoned(c.world * rows, DType::kFloat32);
  std::vector<YardstickState> yardsticks;
  for (int rank = 0; rank < c.world; ++rank) {
    const DecodeKeys keys = keys_of(c, tensors, rank);
    const ShardTensors shard(keys);
    MlaDecodeParams params = tensors.params();
    shard.put(keys, params);
    params.out_scale = {};
    params.out = Tensor::contiguous(outs.data<std::uint16_t>() + rank * rows * columns, DType::kBFloat16,
                                    {batch, queries, heads, columns});
    params.lse = Tensor::contiguous(lses.data<float>() + rank * rows, DType::kFloat32, {batch, queries, heads});
    runner.decode(c.shard(), params, tensors.bounds());
    Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");  // before the shard's memory is freed
    yardsticks.push_back(yardstick_state(tensors.expected(keys)));
  }
  const MergedYardstick merged = merge_yardsticks(yardsticks, static_cast<int>(rows), static_cast<int>(columns));
  expected.yardstick = merged.out;

  // ---- merged
  const DType out_dtype = e4m3 ? DType::kFloat8E4M3 : DType::kBFloat16;
  const DeviceBuffer out = poisoned(rows * columns, out_dtype), lse = poisoned(rows, DType::kFloat32);
  const DeviceBuffer scale = DeviceBuffer::of(std::vector{c.whole.out_scale});
  MergeStatesParams params;
  params.outs = Tensor::contiguous(outs.data(), DType::kBFloat16, {c.world, tokens, heads, columns});
  params.lses = Tensor::contiguous(lses.data(), DType::kFloat32, {c.world, tokens, heads});
  params.out = Tensor::contiguous(out.data(), out_dtype, {tokens, heads, columns});
  params.lse = Tensor::contiguous(lse.data(), DType::kFloat32, {tokens, heads});
  if (e4m3) params.out_scale = Tensor::contiguous(scale.data(), DType::kFloat32, {1});
  runner.merge(c.merge(), params);
  Cuda::check(Cuda::get().synchronize(), "cuCtxSynchronize");
  result.joined_out = e4m3 ? judge_e4m3(expected, out.download<std::uint8_t>(), c.whole.out_scale)
                           : judge_16bit(expected, out.download<std::uint16_t>());
  result.joined_lse = judge_lse(expected, lse.download<float>());
  return result;
}

}  // namespace attnjit::gpu_tests
