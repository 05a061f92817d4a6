#include "tests/launches/recorded_calls.h"

#include <memory>
#include <string>
#include <vector>

#include "runtime/context_impl.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/gpu/masked_mha/tested.h"
#include "tests/gpu/merge_states/tested.h"
#include "tests/gpu/mha_varlen/tested.h"
#include "tests/gpu/mla_decode/tested.h"
#include "tests/gpu/suite.h"
#include "verify/dice.h"
#include "verify/masked_mha/cases.h"
#include "verify/merge_states/cases.h"
#include "verify/merge_states/tensors.h"
#include "verify/mha_varlen/cases.h"
#include "verify/mla_decode/cases.h"
#include "verify/mla_decode/tensors.h"

namespace attnjit::launches {
namespace {

using namespace gpu_tests;

/// Memory has no content here: nothing is filled, and nothing is judged.
class NoContent final : public reference::PlainKernels {
 public:
  bool keeps_content() const override { return false; }
  void reference(const reference::AttentionParams&, reference::Element, CUstream) const override {}
  void yardstick(const reference::AttentionParams&, reference::Element, CUstream) const override {}
  void decode_reference(const reference::DecodeParams&, reference::Element, CUstream) const override {}
  void decode_yardstick(const reference::DecodeParams&, reference::Element, CUstream) const override {}
  void merge(const reference::MergeParams&, CUstream) const override {}
  void fill(const reference::FillParams&, CUstream) const override {}
  void take(const reference::TakeParams&, CUstream) const override {}
  void count(const reference::CountParams&, CUstream) const override {}
  void scatter(const reference::ScatterParams&, CUstream) const override {}
};

const NoContent& plain() {
  static const NoContent kernels;
  return kernels;
}

// ---- a case of each operator, with an operator of the suite or of another context

void run(const Case& c, const TestedMhaVarlen& op) {
  const CaseTensors tensors(c, plain());
  op.run(tensors.params(), Recorder::stream());
}
void run(const MaskedCase& c, const TestedMaskedMha& op) {
  const MaskedTensors tensors(c, plain());
  op.run(tensors, Recorder::stream());
}
void run(const DecodeCase& c, const TestedMlaDecode& op) {
  const DecodeTensors tensors(c, plain());
  const DeviceBuffer workspace = op.workspace(tensors.bounds());
  op.run(tensors.params(), workspace, Recorder::stream());
}
void run(const MergeCase& c, const TestedMergeStates& op) {
  const MergeTensors tensors(c, plain());
  op.run(tensors.params(), Recorder::stream());
}

const TestedMhaVarlen& suites_operator(const Case& c) { return tested_mha_varlen(c.config, c.variant, c.tiles); }
const TestedMaskedMha& suites_operator(const MaskedCase& c) { return tested_masked_mha(c); }
const TestedMlaDecode& suites_operator(const DecodeCase& c) { return tested_mla_decode(c); }
const TestedMergeStates& suites_operator(const MergeCase& c) { return tested_merge_states(c.config, c.variant); }

TestedMhaVarlen operator_of(const Context& context, const Case& c) { return {context, {c.config, c.variant}, c.tiles}; }
TestedMaskedMha operator_of(const Context& context, const MaskedCase& c) {
  return {context, {c.attention.config, c.attention.variant}, c.attention.tiles};
}
TestedMlaDecode operator_of(const Context& context, const DecodeCase& c) { return {context, c}; }

std::string name_of(const Case& c) { return c.name; }
std::string name_of(const MaskedCase& c) { return c.attention.name; }
std::string name_of(const DecodeCase& c) { return c.name; }
std::string name_of(const MergeCase& c) { return c.name; }

template <class AnyCase>
void record_table(Recorder& recorder, const std::string& table, const std::vector<AnyCase>& cases) {
  for (const AnyCase& c : cases) {
    recorder.record(table + "/" + name_of(c), [&] { run(c, suites_operator(c)); });
  }
}

template <class AnyCase>
void record_debug_checks(Recorder& recorder, const std::string& table, const std::vector<AnyCase>& cases) {
  const Context context = suite().fresh_context({.debug_checks = true});
  for (const AnyCase& c : cases) {
    recorder.record(table + "/" + name_of(c), [&] { run(c, operator_of(context, c)); });
  }
}

// ---- streams, captures, workspaces

CUstream stream(std::uintptr_t handle) { return reinterpret_cast<CUstream>(handle); }

template <class Call>
void captured(const Call& call) {
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  call();
  fake_cuda::state().capture = CU_STREAM_CAPTURE_STATUS_NONE;
}

/// More tiles than an H200 takes at once, so that a launch on Hopper needs a tile counter.
Case many_tiles() {
  Case c;
  c.config = suite_config(192, 128, 64, DType::kBFloat16, true);
  c.len_q = c.len_k = std::vector<int>(8, 4000);
  c.heads = c.kv_heads = 16;
  return c;
}

void record_streams_of_mha_varlen(Recorder& recorder) {
  const Case c = many_tiles();
  recorder.record("streams/mha_varlen", [&] {
    const Context context = suite().fresh_context();
    const TestedMhaVarlen one = operator_of(context, c), other = operator_of(context, c);
    const CaseTensors tensors(c, plain());
    for (const CUstream on :
         {stream(0x5000), stream(0x6000), stream(0x5000), stream(0), CU_STREAM_LEGACY, CU_STREAM_PER_THREAD}) {
      one.run(tensors.params(), on);
      other.run(tensors.params(), on);
    }
    captured([&] { one.run(tensors.params(), stream(0x5000)); });
  });
}

/// Calls that use reserved memory: on two streams, after more was reserved for one of them, captured, and after a
/// release.
template <class Op, class Params, class Bounds>
void run_on_reserved(const Op& op, const Params& params, const Bounds& enough, const Bounds& more) {
  for (const CUstream on : {stream(0x5000), stream(0x6000)}) op.reserve(on, enough);
  for (const CUstream on : {stream(0x5000), stream(0x6000), stream(0x5000)}) op.run(params, on);
  op.reserve(stream(0x5000), more);
  op.run(params, stream(0x5000));
  captured([&] { op.run(params, stream(0x5000)); });
  op.release(stream(0x5000));
  op.reserve(stream(0x5000), enough);
  op.run(params, stream(0x5000));
}

void record_streams_of_mla_decode(Recorder& recorder) {
  DecodeCase c;
  c.config = decode_config(512, 64, DType::kBFloat16, CacheFormat::kSame, 64, true);
  c.seq_lens = {2000, 3000, 0, 77};
  recorder.record("streams/mla_decode", [&] {
    const MlaDecode op(suite().fresh_context(), c.config);
    const DecodeTensors tensors(c, plain());
    const MlaDecodeBounds bounds = tensors.bounds();
    MlaDecodeBounds more = bounds;
    more.batch *= 8;
    run_on_reserved(op, tensors.params(), bounds, more);
  });
}

void record_streams_of_masked_mha(Recorder& recorder) {
  MaskedCase c;
  c.attention = many_tiles();
  c.form = MaskForm::kIndices;
  recorder.record("streams/masked_mha", [&] {
    const MaskedMha op(suite().fresh_context(), {c.attention.config});
    const MaskedTensors tensors(c, plain());
    MaskedMhaParams params = tensors.params();
    params.workspace = {};
    const MaskedMhaBounds bounds{.tokens_q = params.topk_indices.shape[0],
                                 .batch = static_cast<std::int64_t>(c.attention.len_q.size()),
                                 .max_positions = params.max_positions};
    MaskedMhaBounds more = bounds;
    more.tokens_q *= 2;
    run_on_reserved(op, params, bounds, more);
  });
}

}  // namespace

Recorder record_all_calls() {
  set_suite(std::make_unique<Suite>(SuiteOptions{.cache_path = ":memory:"}));
  const Context& context = suite().context();
  Recorder recorder(suite_kernels(runtime::context_impl(context)->features()),
                    runtime::context_impl(context)->loader());

  record_table(recorder, "mha_varlen/correctness", correctness_cases());
  record_table(recorder, "mha_varlen/corner", corner_cases());
  record_table(recorder, "mha_varlen/performance", performance_cases());
  record_table(recorder, "mha_varlen/small", small_cases());
  record_table(recorder, "mha_varlen/random", random_cases(kDefaultSeed));
  record_table(recorder, "masked_mha/correctness", masked_correctness_cases());
  record_table(recorder, "masked_mha/corner", masked_corner_cases());
  record_table(recorder, "masked_mha/performance", masked_performance_cases());
  record_table(recorder, "masked_mha/small", masked_small_cases());
  record_table(recorder, "masked_mha/random", masked_random_cases(kDefaultSeed));
  record_table(recorder, "masked_mha/mask", mask_cases());
  record_table(recorder, "mla_decode/correctness", decode_correctness_cases());
  record_table(recorder, "mla_decode/corner", decode_corner_cases());
  record_table(recorder, "mla_decode/performance", decode_performance_cases());
  record_table(recorder, "mla_decode/small", decode_small_cases());
  record_table(recorder, "mla_decode/random", random_decode_cases(kDefaultSeed));
  record_table(recorder, "merge_states/correctness", merge_correctness_cases());
  record_table(recorder, "merge_states/corner", merge_corner_cases());
  record_table(recorder, "merge_states/performance", merge_performance_cases());
  record_table(recorder, "merge_states/small", merge_small_cases());
  record_table(recorder, "merge_states/random", merge_random_cases(kDefaultSeed));

  record_debug_checks(recorder, "debug_checks/mha_varlen", small_cases());
  record_debug_checks(recorder, "debug_checks/masked_mha", masked_small_cases());
  record_debug_checks(recorder, "debug_checks/mla_decode", decode_small_cases());

  record_streams_of_mha_varlen(recorder);
  record_streams_of_mla_decode(recorder);
  record_streams_of_masked_mha(recorder);
  set_suite(nullptr);
  return recorder;
}

}  // namespace attnjit::launches
