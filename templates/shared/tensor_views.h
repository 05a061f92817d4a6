// Strided tensors as kernels see them: a pointer and strides in elements. Strides are 64-bit, since caches and packed
// batches exceed 2^31 elements.
#pragma once

#include "shared/types.h"

namespace attnjit::kernel {

/// A tensor [tokens, heads, columns] whose columns are contiguous. A stride may be 0 for inputs (k_pe has
/// head_stride 0: all heads share it).
struct TokenRows {
  const void* data;
  i64 token_stride;
  i64 head_stride;
};

/// A tensor [batch, queries, heads, columns], or [tokens, heads, columns] for a packed batch, in which sequence b
/// begins at token cu_seqlens_q[b]. Columns are contiguous.
template <class Pointer>
struct BatchRows {
  Pointer data;
  i64 batch_stride;
  i64 query_stride;
  i64 head_stride;
};

/// A paged tensor [pages, page, columns] whose columns are contiguous.
struct CacheRows {
  const void* data;
  i64 page_stride;
  i64 token_stride;
};

}  // namespace attnjit::kernel
