#include "operators/check_indices.h"

#include <fmt/format.h>

#include <limits>

#include "attnjit/error.hpp"
#include "templates/shared/check_indices_config.h"

namespace attnjit::runtime {
namespace {

using kernel::CheckIndicesParams;
using kernel::CheckReport;
using kernel::IndexFault;

// A batch has at most a few hundred sequences, so one pass of these threads covers it.
constexpr kernel::CheckIndicesConfig kConfig{.warps = 8};
constexpr std::int64_t kNoLimit = std::numeric_limits<int>::max();

constexpr CheckedIndices::SumNames kQueries{"cu_seqlens_q", "tokens of q", "max_seqlen_q", "tokens"};
constexpr CheckedIndices::SumNames kKeys{"cu_seqlens_k", "tokens of k", "max_seqlen_k", "tokens"};

std::string describe_sums(const CheckReport& report, const kernel::RunningSums& checked,
                          const CheckedIndices::SumNames& names) {
  const int b = report.sequence;
  const auto entries =
      fmt::format("{0}[{1}] is {2} and {0}[{3}] is {4}", names.tensor, b, report.values[0], b + 1, report.values[1]);
  switch (static_cast<IndexFault>(report.fault)) {
    case IndexFault::kNegative:
      return fmt::format("{}[{}] is {}; entries are 0 or more", names.tensor, b, report.values[0]);
    case IndexFault::kDecreasing:
      return fmt::format("{}; entries must not decrease: give the sums of the lengths before", entries);
    case IndexFault::kBeyondTensor:
      return fmt::format("{}; entries are at most {}, the number of {}", entries, checked.limit, names.counted);
    case IndexFault::kBeyondMax:
      return fmt::format("{}, which are {} {}; at most {} = {} are allowed: give an upper bound of the lengths",
                         entries, report.values[1] - report.values[0], names.unit, names.maximum, checked.max_step);
    default: return "";
  }
}

std::string describe_values(const CheckReport& report, const CheckedIndices::ValueNames& names) {
  switch (static_cast<IndexFault>(report.fault)) {
    case IndexFault::kNegative:
      return fmt::format("{}[{}] is {}; entries are 0 or more", names.tensor, report.sequence, report.values[0]);
    case IndexFault::kTooLarge:
      return fmt::format("{}[{}] is {}; at most {} is allowed, {}", names.tensor, report.sequence, report.values[0],
                         report.values[1], names.largest);
    default: return "";
  }
}

std::string describe_pages(const CheckReport& report, const kernel::PageLists& pages) {
  if (static_cast<IndexFault>(report.fault) != IndexFault::kOutsideCache) return "";
  const std::string entry = pages.begin != nullptr
                                ? fmt::format("kv_indices[{}], its page {},", report.values[1], report.position)
                                : fmt::format("block_table[{}, {}]", report.sequence, report.position);
  const std::string allowed = pages.pages == 0 ? "has no pages" : fmt::format("has pages 0 to {}", pages.pages - 1);
  return fmt::format("{} is {}; the cache {}: give the page that holds the sequence's keys from {} on", entry,
                     report.values[0], allowed, static_cast<std::int64_t>(report.position) * pages.page_size);
}

std::string describe(const CheckReport& report, const CheckedIndices& indices) {
  constexpr int kSums = CheckIndicesParams::kSums, kPages = CheckIndicesParams::kPages;
  std::string fault;
  if (report.tensor >= 0 && report.tensor < kSums) {
    fault = describe_sums(report, indices.params.sums[report.tensor], indices.sums[report.tensor]);
  } else if (report.tensor >= kSums && report.tensor < kPages) {
    fault = describe_values(report, indices.values[report.tensor - kSums]);
  } else if (report.tensor == kPages) {
    fault = describe_pages(report, indices.params.pages);
  }
  if (fault.empty()) {
    throw Error(Status::kInternal,
                fmt::format("check_indices reported a fault of kind {} of tensor {}", report.fault, report.tensor));
  }
  return fault;
}

}  // namespace

KernelPlan check_indices_plan() {
  return make_plan("check_indices", "CheckIndicesConfig", "CheckIndicesParams", kConfig);
}

CheckedIndices indices_of(const MhaVarlenCall& call) {
  CheckedIndices indices;
  indices.params.batch = call.batch;
  indices.params.sums[0] = {call.params.cu_seqlens_q, call.tokens_q, call.max_seqlen_q};
  indices.params.sums[1] = {call.params.cu_seqlens_k, call.tokens_k, call.max_seqlen_k};
  indices.sums[0] = kQueries;
  indices.sums[1] = kKeys;
  return indices;
}

CheckedIndices indices_of(const MaskedMhaCall& call, const MaskedMhaParams& params) {
  CheckedIndices indices = indices_of(call.attention);
  const bool bounded = call.build.has_value();  // else positions past the end of the mask are simply not visible
  indices.params.values[0] = {.values = call.attention.params.key_offset,
                              .limit = bounded ? params.max_positions : kNoLimit,
                              .sums = call.attention.params.cu_seqlens_k,
                              .per_step = -1};
  indices.values[0] = {"key_offset",
                       bounded ? "max_positions less the sequence's keys" : "2^31 - 1 less the sequence's keys"};
  return indices;
}

CheckedIndices indices_of(const MaskFromTopkCall& call) {
  CheckedIndices indices;
  indices.params.batch = call.params.batch;
  indices.params.sums[0] = {call.params.cu_seqlens_q, call.tokens, kNoLimit};
  indices.params.values[0] = {.values = call.params.seq_lens, .limit = kNoLimit, .sums = nullptr, .per_step = 0};
  indices.sums[0] = {"cu_seqlens_q", "rows of topk_indices", "", "tokens"};
  indices.values[0] = {"seq_lens", ""};
  return indices;
}

CheckedIndices indices_of(const MlaDecodeCall& call, const MlaDecodeConfig& config, const MlaDecodeParams& params) {
  const kernel::MlaDecodeParams& p = call.params;
  const Tensor& queries = params.q.given() ? params.q : params.q_nope;
  const Tensor& cache = params.cache.given() ? params.cache : params.latent;
  const bool table = p.page_begin == nullptr;
  CheckedIndices indices;
  indices.params.batch = p.batch;
  indices.params.sums[0] = {p.cu_seqlens_q, queries.shape[0], p.max_seqlen_q};
  indices.params.sums[1] = {p.page_begin, table ? 0 : params.kv_indices.shape[0], kNoLimit};
  indices.sums[0] = kQueries;
  indices.sums[1] = {"kv_indptr", "entries of kv_indices", "", "pages"};
  indices.params.values[0] = {.values = p.seq_lens,
                              .limit = table ? params.block_table.shape[1] * config.page_size : 0,
                              .sums = p.page_begin,
                              .per_step = config.page_size};
  indices.params.values[1] = {.values = p.total_seq_lens, .limit = kNoLimit, .sums = nullptr, .per_step = 0};
  indices.values[0] = {"seq_lens", table ? "the tokens that a row of block_table has pages for"
                                         : "the tokens of the pages that kv_indptr gives the sequence"};
  indices.values[1] = {"total_seq_lens", ""};
  indices.params.pages = {.list = p.page_list,
                          .begin = p.page_begin,
                          .stride = p.page_list_stride,
                          .seq_lens = p.seq_lens,
                          .page_size = config.page_size,
                          .pages = cache.shape[0]};
  return indices;
}

IndexCheck::IndexCheck(const char* operator_name, KernelLoader& loader)
    : operator_(operator_name), check_(operator_name, loader, check_indices_plan()) {}

void IndexCheck::run(const CheckedIndices& indices, CUstream stream) const {
  if (indices.params.batch == 0) return;
  const CheckReport report = check_.run(indices.params, stream);
  if (report.fault == 0) return;
  throw Error(Status::kInvalidArgument,
              fmt::format("{}: sequence {}: {}. Found on the device by debug_checks; nothing was launched", operator_,
                          report.sequence, describe(report, indices)));
}

}  // namespace attnjit::runtime
