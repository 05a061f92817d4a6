// Debug mode of the operators that have more index tensors than mha_varlen. Each row breaks one tensor of an otherwise
// valid call and gives the expected words of the message. Both APIs are tried.
#include <functional>
#include <utility>

#include "tests/bad_input/debug_checks.h"
#include "tests/bad_input/masked_mha_operation.h"
#include "tests/bad_input/mla_decode_operation.h"

namespace attnjit::bad_input {
namespace {

/// Index tensors in host memory. A row changes them before the call is made from them.
struct Indices {
  // masked_mha, mask_from_topk: 300 tokens, at most 200 per sequence; 350 positions.
  std::vector<int> cu_q{0, 100, 300};
  std::vector<int> cu_k{0, 200, 300};
  std::vector<int> key_offset{150, 0};
  std::vector<int> request{350, 100};
  // mla_decode: 3 sequences, pages of 64 tokens in a cache of 40. Entries past the keys are garbage.
  std::vector<int> seq_lens{640, 0, 65};
  std::vector<int> total{1280, 0, 130};
  std::vector<int> packed_q{0, 3, 3, 6};
  std::vector<int> table = std::vector<int>(30, -5);
  std::vector<int> indptr{0, 10, 10, 13};
  std::vector<int> indices = std::vector<int>(13, 40);
  std::int64_t table_width = 10;

  Indices() {
    for (int page = 0; page < 10; ++page) table[static_cast<std::size_t>(page)] = 39 - page;
    table[20] = table[21] = 0;
    for (int page = 0; page < 12; ++page) indices[static_cast<std::size_t>(page)] = page;
  }
};

using Make = std::function<Outcome(Api, Indices&, const ContextOptions&)>;

Outcome masked_by_mask(Api api, Indices& at, const ContextOptions& options) {
  MaskedMhaOperation operation;
  operation.params.attention.cu_seqlens_q = index_vector(at.cu_q);
  operation.params.attention.cu_seqlens_k = index_vector(at.cu_k);
  operation.params.key_offset = index_vector(at.key_offset);
  return attempt(api, options, &operation);
}
Outcome masked_by_indices(Api api, Indices& at, const ContextOptions& options) {
  MaskedMhaOperation operation;
  operation.params = test::topk_params();
  operation.params.attention.cu_seqlens_q = index_vector(at.cu_q);
  operation.params.attention.cu_seqlens_k = index_vector(at.cu_k);
  operation.params.key_offset = index_vector(at.key_offset);
  operation.params.max_positions = 350;
  operation.params.workspace.bytes = MaskedMha::workspace_bytes({.tokens_q = 300, .batch = 2, .max_positions = 350});
  return attempt(api, options, &operation);
}
Outcome mask(Api api, Indices& at, const ContextOptions& options) {
  MaskFromTopkOperation operation;
  operation.params.cu_seqlens_q = index_vector(at.cu_q);
  operation.params.seq_lens = index_vector(at.request);
  return attempt(api, options, &operation);
}
Outcome decode_of(Api api, Indices& at, MlaDecodeParams params, const ContextOptions& options) {
  MlaDecodeOperation operation;
  operation.params = std::move(params);
  operation.params.seq_lens = index_vector(at.seq_lens);
  operation.params.block_table = Tensor::contiguous(at.table.data(), DType::kInt32, {3, at.table_width});
  return attempt(api, options, &operation);
}
Outcome decode(Api api, Indices& at, const ContextOptions& options) {
  return decode_of(api, at, test::decode_params(), options);
}
Outcome decode_packed(Api api, Indices& at, const ContextOptions& options) {
  MlaDecodeParams params = test::packed_decode_params();
  params.cu_seqlens_q = index_vector(at.packed_q);
  return decode_of(api, at, params, options);
}
Outcome decode_shard(Api api, Indices& at, const ContextOptions& options) {
  MlaDecodeParams params = test::decode_params();
  params.total_seq_lens = index_vector(at.total);
  params.cp_world = 2;
  return decode_of(api, at, params, options);
}
Outcome decode_csr(Api api, Indices& at, const ContextOptions& options) {
  MlaDecodeOperation operation;
  operation.params.block_table = {};
  operation.params.kv_indptr = index_vector(at.indptr);
  operation.params.kv_indices = index_vector(at.indices);
  operation.params.seq_lens = index_vector(at.seq_lens);
  return attempt(api, options, &operation);
}

struct Row {
  const char* name;
  Make call;
  std::function<void(Indices&)> spoil;
  std::vector<std::string> words;
};
void PrintTo(const Row& row, std::ostream* stream) { *stream << row.name; }

const Row kRows[] = {
    {"masked_q_decreases",
     masked_by_mask,
     [](Indices& at) {
       at.cu_q = {0, 100, 60};
     },
     {"masked_mha: sequence 1: cu_seqlens_q[1] is 100 and cu_seqlens_q[2] is 60", "must not decrease"}},
    {"masked_k_beyond_tensor",
     masked_by_indices,
     [](Indices& at) {
       at.cu_k = {0, 200, 301};
     },
     {"masked_mha: sequence 1: ", "cu_seqlens_k[2] is 301; entries are at most 300, the number of tokens of k"}},
    {"masked_offset_negative",
     masked_by_mask,
     [](Indices& at) { at.key_offset[1] = -1; },
     {"masked_mha: sequence 1: key_offset[1] is -1; entries are 0 or more"}},
    {"masked_offset_beyond_positions",
     masked_by_indices,
     [](Indices& at) { at.key_offset[0] = 151; },
     {"masked_mha: sequence 0: key_offset[0] is 151; at most 150 is allowed, max_positions less the sequence's keys"}},
    {"masked_offset_beyond_32_bits",
     masked_by_mask,
     [](Indices& at) { at.key_offset[1] = 2147483548; },
     {"masked_mha: sequence 1: key_offset[1] is 2147483548; at most 2147483547 is allowed, 2^31 - 1 less"}},
    {"mask_q_beyond_indices",
     mask,
     [](Indices& at) {
       at.cu_q = {0, 301, 301};
     },
     {"mask_from_topk: sequence 0: ",
      "cu_seqlens_q[1] is 301; entries are at most 300, the number of rows of topk_in"}},
    {"mask_length_negative",
     mask,
     [](Indices& at) { at.request[1] = -3; },
     {"mask_from_topk: sequence 1: seq_lens[1] is -3; entries are 0 or more"}},
    {"decode_length_negative",
     decode,
     [](Indices& at) { at.seq_lens[1] = -64; },
     {"mla_decode: sequence 1: seq_lens[1] is -64; entries are 0 or more"}},
    {"decode_length_beyond_table",
     decode,
     [](Indices& at) { at.seq_lens[0] = 641; },
     {"mla_decode: sequence 0: seq_lens[0] is 641; at most 640 is allowed, the tokens that a row of block_table"}},
    {"decode_page_beyond_cache",
     decode,
     [](Indices& at) { at.table[9] = 40; },
     {"mla_decode: sequence 0: block_table[0, 9] is 40; the cache has pages 0 to 39", "keys from 576 on"}},
    {"decode_page_negative",
     decode,
     [](Indices& at) { at.seq_lens[2] = 129; },
     {"mla_decode: sequence 2: block_table[2, 2] is -5; the cache has pages 0 to 39", "keys from 128 on"}},
    {"decode_packed_too_long",
     decode_packed,
     [](Indices& at) {
       at.packed_q = {0, 4, 4, 6};
     },
     {"mla_decode: sequence 0: ", "which are 4 tokens; at most max_seqlen_q = 3 are allowed"}},
    {"decode_packed_beyond_tensor",
     decode_packed,
     [](Indices& at) {
       at.packed_q = {0, 3, 5, 7};
     },
     {"mla_decode: sequence 2: ", "cu_seqlens_q[3] is 7; entries are at most 6, the number of tokens of q"}},
    {"decode_total_negative",
     decode_shard,
     [](Indices& at) { at.total[2] = -130; },
     {"mla_decode: sequence 2: total_seq_lens[2] is -130; entries are 0 or more"}},
    {"decode_indptr_decreases",
     decode_csr,
     [](Indices& at) {
       at.indptr = {0, 10, 9, 13};
     },
     {"mla_decode: sequence 1: kv_indptr[1] is 10 and kv_indptr[2] is 9; entries must not decrease"}},
    {"decode_indptr_beyond_list",
     decode_csr,
     [](Indices& at) { at.indptr[3] = 14; },
     {"mla_decode: sequence 2: ", "kv_indptr[3] is 14; entries are at most 13, the number of entries of kv_indices"}},
    {"decode_length_beyond_its_pages",
     decode_csr,
     [](Indices& at) { at.seq_lens[2] = 193; },
     {"mla_decode: sequence 2: seq_lens[2] is 193; at most 192 is allowed, the tokens of the pages that kv_indptr"}},
    {"decode_index_beyond_cache",
     decode_csr,
     [](Indices& at) { at.seq_lens[2] = 129; },
     {"mla_decode: sequence 2: kv_indices[12], its page 2, is 40; the cache has pages 0 to 39", "keys from 128 on"}},
    {"decode_lengths_before_pages",
     decode,
     [](Indices& at) {
       at.table[0] = -1;
       at.seq_lens[2] = 100000;
     },
     {"mla_decode: sequence 2: seq_lens[2] is 100000; at most 640"}},
};

class DebugChecksOf : public CheckedOnFakeDevice, public testing::WithParamInterface<std::tuple<Row, Api>> {
 protected:
  static Outcome call(bool spoiled, bool checked) {
    const auto& [row, api] = GetParam();
    Indices at;
    if (spoiled) row.spoil(at);
    ContextOptions options = fake_device();
    options.debug_checks = checked;
    return row.call(api, at, options);
  }
};

TEST_P(DebugChecksOf, AFaultIsNamedAndNothingLaunched) {
  expect_check_refused(call(/*spoiled=*/true, /*checked=*/true), std::get<Row>(GetParam()).words);
}

TEST_P(DebugChecksOf, TheSameCallWithoutTheFaultIsLaunched) {
  const Outcome outcome = call(/*spoiled=*/false, /*checked=*/true);
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  ASSERT_GE(launched().size(), 2u);
  EXPECT_EQ(launched().front(), kCheck);
  EXPECT_EQ(fake_cuda::state().stream_waits, 1);
}

TEST_P(DebugChecksOf, WithoutDebugModeNothingIsCheckedAndNothingWaits) {
  const Outcome outcome = call(/*spoiled=*/true, /*checked=*/false);
  EXPECT_EQ(outcome.status, Status::kOk) << outcome.message;
  EXPECT_THAT(launched(), testing::Not(testing::Contains(kCheck)));
  EXPECT_EQ(fake_cuda::state().stream_waits, 0);
}

INSTANTIATE_TEST_SUITE_P(Rows, DebugChecksOf,
                         testing::Combine(testing::ValuesIn(kRows), testing::Values(Api::kCpp, Api::kC)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) + "_" + to_string(std::get<1>(test.param));
                         });

class DebugChecksOfEmptyTable : public CheckedOnFakeDevice, public testing::WithParamInterface<Api> {};

TEST_P(DebugChecksOfEmptyTable, HasNoRoomForAnyKey) {
  // A call without any page: the only valid length is 0, and no page is looked at.
  Indices at;
  at.seq_lens = {0, 0, 0};
  at.table_width = 0;
  ContextOptions options = fake_device();
  options.debug_checks = true;
  EXPECT_EQ(decode(GetParam(), at, options).status, Status::kOk);
  fake_cuda::state().launches.clear();
  at.seq_lens[2] = 1;
  expect_check_refused(decode(GetParam(), at, options), {"sequence 2: seq_lens[2] is 1; at most 0 is allowed"});
}
INSTANTIATE_TEST_SUITE_P(Api, DebugChecksOfEmptyTable, testing::Values(Api::kCpp, Api::kC),
                         [](const auto& test) { return to_string(test.param); });

}  // namespace
}  // namespace attnjit::bad_input
