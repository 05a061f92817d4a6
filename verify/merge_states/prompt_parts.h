// A prompt whose keys are attended to in parts: its data on the host, any range of its keys as tensors for a call, the
// keys each query sees, and the expected result of a part.
#pragma once

#include <cstdint>
#include <vector>

#include "attnjit/masked_mha.hpp"
#include "verify/device.h"
#include "verify/merge_states/chunked_prefill.h"

namespace attnjit::gpu_tests {

/// A range of positions of a request.
struct Range {
  int first = 0;
  int count = 0;
};

/// Rows of one request in bf16, [tokens, width].
struct HostRows {
  std::vector<std::uint16_t> bits;
  int width = 0;
};

/// The whole problem on the host.
struct Prompt {
  explicit Prompt(const ChunkedCase& wanted);
  int tokens() const;
  std::int64_t rows() const { return std::int64_t{tokens()} * c.heads; }
  int longest_request() const;

  ChunkedCase c;
  std::vector<HostRows> q, k_nope, k_pe, v;           // by request
  std::vector<Range> new_tokens, new_keys, all_keys;  // by request
  std::vector<std::vector<Range>> context_chunks;     // by chunk, then by request
  std::vector<std::vector<std::vector<int>>> topk;    // by request and new token; for masked cases
};

/// The keys of its request that each query sees, as masks that every part takes.
class PromptMask {
 public:
  explicit PromptMask(const Prompt& prompt);
  const MaskFromTopkParams& build_params() const { return build_; }

 private:
  DeviceBuffer topk_, cu_q_, seq_lens_, mask_, tiles_;
  MaskFromTopkParams build_;
};

/// Tokens of several requests, packed on the device.
struct Packed {
  DeviceBuffer buffer;
  int width = 0;

  Packed(const std::vector<HostRows>& requests, const std::vector<Range>& ranges);
  std::int64_t tokens() const { return buffer.bytes() / 2 / width; }
  Tensor tensor(int heads) const;
};

/// The new tokens attending to some of the keys.
class Part {
 public:
  Part(const Prompt& prompt, const std::vector<Range>& keys, bool causal);

  /// All but the outputs.
  MhaVarlenParams params() const;
  MaskedMhaParams masked_params(const PromptMask& mask) const;
  reference::Expected expected(const reference::PlainKernels& plain) const;

 private:
  float scale() const;
  /// One byte per new token and key of its sequence, in rows as long as the longest one's.
  std::vector<std::uint8_t> visible() const;

  const Prompt& prompt_;
  std::vector<Range> keys_;
  Packed q_, k_nope_, k_pe_, v_;
  DeviceBuffer cu_q_, cu_k_, key_offset_;
  int max_k_;
  bool causal_;
};

/// An output on the device: out [tokens, heads, dv], and lse stored as [H, T].
struct PartResult {
  DeviceBuffer out_buffer, lse_buffer;
  Tensor out, lse;

  PartResult(const Prompt& prompt, DType dtype);
};

}  // namespace attnjit::gpu_tests
