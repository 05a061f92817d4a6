// The cases of chunked prefill.
#pragma once

#include <string>
#include <vector>

#include "verify/merge_states/chunked_prefill.h"

namespace attnjit::gpu_tests {

/// Uses only configs from the tables of mha_varlen, masked_mha and merge_states.
inline std::vector<ChunkedCase> chunked_cases() {
  std::vector<ChunkedCase> cases;
  const auto add = [&](const char* name, std::vector<int> len_new, std::vector<int> len_context, int chunk,
                       int empty_chunks, int topk = 0) {
    for (const bool e4m3 : {false, true}) {
      ChunkedCase c;
      c.name = std::string(name) + (e4m3 ? "_e4m3" : "_bf16");
      c.len_new = len_new;
      c.len_context = len_context;
      c.chunk = chunk;
      c.empty_chunks = empty_chunks;
      c.topk = topk;
      c.e4m3_output = e4m3;
      c.heads = 4;  // with 2, too few elements: their largest error is a matter of luck (docs/testing.md)
      c.seed = 7000 + cases.size();
      cases.push_back(c);
    }
  };
  add("one_chunk", {100}, {200}, 256, 0);
  add("several_chunks", {130, 40}, {700, 513}, 256, 0);
  add("some_without_context", {64, 1, 33, 200}, {0, 300, 1, 64}, 64, 0);
  add("some_without_new_tokens", {0, 70, 0, 5}, {100, 0, 40, 333}, 128, 0);
  add("only_empty_chunks", {90, 17}, {0, 0}, 64, 2);
  add("empty_chunks_at_the_end", {90, 17}, {100, 3}, 64, 3);
  add("one_new_token", {1, 1, 1}, {1000, 64, 65}, 64, 0);
  add("many_chunks", {65}, {2000}, 100, 1);
  // Masked; chunk offsets that are multiples of 64, and others.
  add("masked_several_chunks", {130, 40}, {700, 513}, 256, 0, 128);
  add("masked_uneven_chunks", {64, 1, 33, 200}, {0, 300, 1, 65}, 37, 0, 48);
  add("masked_some_without_new_tokens", {0, 70, 0, 5}, {100, 0, 40, 333}, 128, 1, 33);
  add("masked_few_keys", {130, 40}, {1500, 513}, 256, 0, 3);  // in some chunk, many queries see no key
  add("masked_long_context", {65}, {9000}, 2048, 0, 2051);
  return cases;
}

}  // namespace attnjit::gpu_tests
