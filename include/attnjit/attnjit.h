/* attnjit, C ABI: the operators of the C++ API on DLTensor*.
 *
 * Every function returns a status; attnjit_last_error() gives this thread's last error text. No C++ exception
 * leaves the library. Handles may be used from several threads at once.
 *
 * ABI policy: a struct begins with its size, set by the caller to sizeof(the struct) (the _INIT macros do); fields are
 * only ever added at the end, and a caller built against an older header gets the defaults for those it does not know. A
 * size that is larger than the library's own is refused. Enumerators keep their values. attnjit_abi_version() changes only
 * when something is removed or changes its meaning.
 */
#ifndef ATTNJIT_ATTNJIT_H_
#define ATTNJIT_ATTNJIT_H_

#include <dlpack/dlpack.h>
#include <stddef.h>
#include <stdint.h>

#include "attnjit/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ATTNJIT_ABI_VERSION 1

typedef enum attnjit_status {
  ATTNJIT_OK = 0,
  ATTNJIT_INVALID_ARGUMENT = 1,
  ATTNJIT_UNSUPPORTED = 2,
  ATTNJIT_COMPILE_FAILED = 3,
  ATTNJIT_NO_COMPILER = 4,
  ATTNJIT_NO_DRIVER = 5,
  ATTNJIT_DRIVER_ERROR = 6,
  ATTNJIT_INTERNAL = 7,
  ATTNJIT_CACHE_MISS = 8 /* a kernel would have to be compiled, which the miss policy forbids */
} attnjit_status;

/* Values of attnjit::DType. */
typedef enum attnjit_dtype {
  ATTNJIT_FLOAT16 = 0,
  ATTNJIT_BFLOAT16 = 1,
  ATTNJIT_FLOAT8_E4M3 = 2,
  ATTNJIT_FLOAT32 = 3,
  ATTNJIT_INT32 = 4
} attnjit_dtype;

typedef struct attnjit_context attnjit_context;
typedef struct attnjit_mha_varlen attnjit_mha_varlen;
typedef struct attnjit_mla_decode attnjit_mla_decode;
typedef struct attnjit_mask_from_topk attnjit_mask_from_topk;
typedef struct attnjit_masked_mha attnjit_masked_mha;
typedef struct attnjit_merge_states attnjit_merge_states;
typedef struct CUstream_st* attnjit_stream; /* a CUstream or cudaStream_t */

ATTNJIT_API const char* attnjit_version(void);   /* "0.1.0" */
ATTNJIT_API uint32_t attnjit_abi_version(void);  /* ATTNJIT_ABI_VERSION of the library */
ATTNJIT_API const char* attnjit_status_name(attnjit_status status);
/* Text of the last error of the calling thread; "" if there was none. Valid until this thread's next call. */
ATTNJIT_API const char* attnjit_last_error(void);

/* ---- context ------------------------------------------------------------------------------------------------- */

/* level: 0 debug, 1 info, 2 warning. May be called from any thread that uses the context. It may use the library; a line
   that this gives rise to is not told to it, a warning among them goes to stderr. */
typedef void (*attnjit_log_callback)(int level, const char* message, void* user);

/* Values of attnjit::MissPolicy: what a missing kernel leads to. See attnjit/miss.hpp. */
typedef enum attnjit_miss_policy {
  ATTNJIT_MISS_ALLOW = 0, /* compile */
  ATTNJIT_MISS_WARN = 1,  /* log a warning, then compile */
  ATTNJIT_MISS_ERROR = 2  /* ATTNJIT_CACHE_MISS; nothing is compiled */
} attnjit_miss_policy;

/* Values of attnjit::MissReason: why a kernel would have to be compiled. */
typedef enum attnjit_miss_reason {
  ATTNJIT_MISS_ABSENT = 0,           /* neither in memory nor in the cache file, or there is no cache file */
  ATTNJIT_MISS_STORE_UNREADABLE = 1, /* the cache file cannot be read now; it may have the kernel */
  ATTNJIT_MISS_CUBIN_REFUSED = 2     /* the driver refuses the one that the cache has */
} attnjit_miss_reason;

/* Filled in by the library; texts are valid during the callback. */
typedef struct attnjit_miss {
  size_t struct_size;          /* of the library's struct: fields beyond it are not there */
  const char* operator_config; /* JSON of the operator that needs the kernel */
  const char* kernel_config;   /* JSON of what would be compiled */
  const char* family;          /* "sm80_mha_varlen" */
  const char* arch;            /* "sm_90a" */
  const char* key;             /* 64 hexadecimal digits */
  const char* command;         /* the command line that compiles it into this context's cache; "" where none helps */
  int32_t policy;              /* attnjit_miss_policy */
  int32_t reserved;
  const char* why;             /* the reason in words; "" for ATTNJIT_MISS_ABSENT */
  int32_t reason;              /* attnjit_miss_reason */
  int32_t reserved_reason;
} attnjit_miss;

/* Called on the thread that makes an operator, before anything is compiled. May make operators, also the one that it is
   told of; of what these miss it is not told. Threads that want the same kernel wait until it returns. */
typedef void (*attnjit_miss_callback)(const attnjit_miss* miss, void* user);

/* Values of attnjit::FallbackPolicy: what becomes of an operator whose fastest kernels no NVRTC on this machine builds. */
typedef enum attnjit_fallback_policy {
  ATTNJIT_FALLBACK_WARN = 1, /* slower kernels serve: a warning, once per context, and a counter */
  ATTNJIT_FALLBACK_ERROR = 2 /* ATTNJIT_NO_COMPILER, or the ATTNJIT_CACHE_MISS that there is */
} attnjit_fallback_policy;

typedef struct attnjit_context_options {
  size_t struct_size;       /* sizeof(attnjit_context_options) */
  int32_t device;           /* CUDA ordinal; -1: compile and cache only, `arch` must be given */
  int32_t compiler_exact;   /* 0: the newest cached cubin the driver accepts; 1: only this process's NVRTC's */
  const char* arch;         /* "sm_90a"; NULL: what fits the device */
  const char* cache_path;   /* folder; NULL: by environment; ":memory:": none */
  const char* nvrtc_path;   /* libnvrtc; NULL: found */
  const char* template_dir; /* NULL: ATTNJIT_TEMPLATE_DIR, else embedded */
  attnjit_log_callback log; /* NULL: warnings to stderr; valid, as is log_user, until context and operators are gone */
  void* log_user;
  int32_t on_miss;          /* attnjit_miss_policy; -1: ATTNJIT_ON_MISS, else ATTNJIT_MISS_ALLOW */
  int32_t reserved;         /* 0 */
  attnjit_miss_callback miss; /* NULL: nobody is told; else told of each miss, whatever the policy */
  void* miss_user;
  int64_t cache_max_bytes; /* 0: no limit; -1: ATTNJIT_CACHE_MAX_SIZE, else 2 GiB */
  int32_t debug_checks;    /* 1: check index tensors on the device before launches, see attnjit/context.hpp; 0: do not */
  int32_t fallback;        /* attnjit_fallback_policy; 0: ATTNJIT_FALLBACK, else ATTNJIT_FALLBACK_WARN */
} attnjit_context_options;
#define ATTNJIT_CONTEXT_OPTIONS_INIT \
  {sizeof(attnjit_context_options), 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, -1, 0, NULL, NULL, -1, 0, 0}

/* options may be NULL: device 0 and defaults. */
ATTNJIT_API attnjit_status attnjit_context_create(const attnjit_context_options* options, attnjit_context** context);
ATTNJIT_API void attnjit_context_destroy(attnjit_context* context); /* NULL is fine; operators keep what they need */
ATTNJIT_API const char* attnjit_context_arch(const attnjit_context* context);

/* Warm-up is over: from now on a missing kernel leads to what `policy` says. */
ATTNJIT_API attnjit_status attnjit_context_freeze(attnjit_context* context, attnjit_miss_policy policy);

/* What the context's kernel cache has done so far; attnjit/counters.hpp says what is counted. Set struct_size before. */
typedef struct attnjit_cache_counters {
  size_t struct_size;
  int64_t loaded_hits;
  int64_t memory_hits;
  int64_t store_hits;
  int64_t waits;
  int64_t compiles;
  int64_t misses;
  int64_t refusals;
  int64_t compile_failures;
  int64_t loads;
  int64_t refused_cubins;
  int64_t bad_rows;
  int64_t bad_files;
  int64_t evicted_rows;
  int64_t store_failures;
  double compile_seconds;
  double load_seconds;
  double wait_seconds;
  double store_read_seconds;
  double store_write_seconds;
  int64_t fallbacks;
} attnjit_cache_counters;
#define ATTNJIT_CACHE_COUNTERS_INIT \
  {sizeof(attnjit_cache_counters), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0}
ATTNJIT_API attnjit_status attnjit_context_counters(const attnjit_context* context, attnjit_cache_counters* counters);
/* The same as a JSON object; "" for NULL. Valid until this thread's next call of this function. */
ATTNJIT_API const char* attnjit_context_counters_json(const attnjit_context* context);

/* ---- mha_varlen / mla_prefill: see attnjit/mha_varlen.hpp for shapes and meaning -------------------------------- */

typedef struct attnjit_mha_varlen_config {
  size_t struct_size;
  int32_t head_dim_qk;
  int32_t head_dim_v;
  int32_t rope_dim;
  int32_t causal;    /* 0 or 1 */
  int32_t dtype;     /* attnjit_dtype */
  int32_t out_dtype; /* attnjit_dtype; -1: as dtype */
} attnjit_mha_varlen_config;
#define ATTNJIT_MHA_VARLEN_CONFIG_INIT {sizeof(attnjit_mha_varlen_config), 0, 0, 0, 1, ATTNJIT_BFLOAT16, -1}

/* NULL for what is not given. */
typedef struct attnjit_mha_varlen_params {
  size_t struct_size;
  const DLTensor* q;            /* [Tq, H, dqk], or q_nope and q_pe */
  const DLTensor* q_nope;       /* [Tq, H, dqk - P] */
  const DLTensor* q_pe;         /* [Tq, H, P] */
  const DLTensor* k;            /* [Tk, Hk, dqk], or k_nope and k_pe */
  const DLTensor* k_nope;       /* [Tk, Hk, dqk - P] */
  const DLTensor* k_pe;         /* [Tk, P] or [Tk, Hk, P] */
  const DLTensor* v;            /* [Tk, Hk, dv] */
  const DLTensor* out;          /* [Tq, H, dv] */
  const DLTensor* lse;          /* optional float32 [Tq, H] */
  const DLTensor* out_scale;    /* float32 [1], for e4m3 output */
  const DLTensor* cu_seqlens_q; /* int32 [B + 1] */
  const DLTensor* cu_seqlens_k; /* int32 [B + 1] */
  int32_t max_seqlen_q;         /* upper bounds of the lengths; -1: not given, which is refused */
  int32_t max_seqlen_k;
  float softmax_scale;
  int32_t reserved; /* 0; makes the size a multiple of 8 without padding, which a later field could hide in */
} attnjit_mha_varlen_params;
#define ATTNJIT_MHA_VARLEN_PARAMS_INIT                                                                            \
  {sizeof(attnjit_mha_varlen_params), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1, -1, 0.0f, 0}

/* Compiles or loads the operator's kernels. */
ATTNJIT_API attnjit_status attnjit_mha_varlen_create(const attnjit_context* context,
                                                     const attnjit_mha_varlen_config* config,
                                                     attnjit_mha_varlen** op);
ATTNJIT_API void attnjit_mha_varlen_destroy(attnjit_mha_varlen* op); /* NULL is fine */
/* Checks and launches; no allocation, no synchronisation (but with debug_checks). */
ATTNJIT_API attnjit_status attnjit_mha_varlen_run(const attnjit_mha_varlen* op,
                                                  const attnjit_mha_varlen_params* params, attnjit_stream stream);

/* ---- mla_decode: see attnjit/mla_decode.hpp for shapes and meaning ----------------------------------------------- */

/* Values of attnjit::CacheFormat. */
typedef enum attnjit_cache_format {
  ATTNJIT_CACHE_SAME = 0,     /* as dtype */
  ATTNJIT_CACHE_E4M3 = 1,     /* e4m3, one float32 scale for the whole cache */
  ATTNJIT_CACHE_E4M3_ROWS = 2 /* 656 bytes: 512 e4m3, 4 float32 scales, 64 bf16 */
} attnjit_cache_format;

typedef struct attnjit_mla_decode_config {
  size_t struct_size;
  int32_t kv_lora_rank; /* R */
  int32_t rope_dim;     /* P */
  int32_t dtype;        /* attnjit_dtype, of q */
  int32_t cache_format; /* attnjit_cache_format */
  int32_t page_size;    /* 1, 16, 32, 64 or 128 */
  int32_t causal;       /* 0 or 1 */
  int32_t out_dtype;    /* attnjit_dtype; -1: as dtype */
  int32_t reserved;     /* 0 */
} attnjit_mla_decode_config;
#define ATTNJIT_MLA_DECODE_CONFIG_INIT \
  {sizeof(attnjit_mla_decode_config), 0, 0, ATTNJIT_BFLOAT16, ATTNJIT_CACHE_SAME, 64, 1, -1, 0}

/* NULL for what is not given. With cu_seqlens_q q, out and lse are packed: [Tq, H, ..]. */
typedef struct attnjit_mla_decode_params {
  size_t struct_size;
  const DLTensor* q;              /* [B, s_q, H, R + P], or q_nope and q_pe */
  const DLTensor* q_nope;         /* [B, s_q, H, R] */
  const DLTensor* q_pe;           /* [B, s_q, H, P] */
  const DLTensor* cache;          /* [pages, page_size, R + P], or latent and rope; e4m3 [.., 656] of E4M3_ROWS */
  const DLTensor* latent;         /* [pages, page_size, R] */
  const DLTensor* rope;           /* [pages, page_size, P] */
  const DLTensor* cache_scale;    /* optional float32 [1], of ATTNJIT_CACHE_E4M3 */
  const DLTensor* block_table;    /* int32 [B, max_pages], or kv_indptr and kv_indices */
  const DLTensor* kv_indptr;      /* int32 [B + 1] */
  const DLTensor* kv_indices;     /* int32 [any] */
  const DLTensor* seq_lens;       /* int32 [B] */
  const DLTensor* cu_seqlens_q;   /* int32 [B + 1], of packed tokens */
  const DLTensor* total_seq_lens; /* optional int32 [B], of interleaved shards */
  const DLTensor* out;            /* [B, s_q, H, R] */
  const DLTensor* lse;            /* optional float32 [B, s_q, H] */
  const DLTensor* out_scale;      /* float32 [1], for e4m3 output */
  void* workspace;                /* on the device; NULL: what attnjit_mla_decode_reserve() made for the stream */
  size_t workspace_bytes;
  int32_t max_seqlen_q; /* of packed tokens, which need it; -1: not given */
  int32_t cp_rank;
  int32_t cp_world;
  float softmax_scale;
} attnjit_mla_decode_params;
#define ATTNJIT_MLA_DECODE_PARAMS_INIT                                                                               \
  {sizeof(attnjit_mla_decode_params), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
   NULL, NULL, NULL, NULL, 0, -1, 0, 1, 0.0f}

/* Compiles or loads the operator's kernels. */
ATTNJIT_API attnjit_status attnjit_mla_decode_create(const attnjit_context* context,
                                                     const attnjit_mla_decode_config* config,
                                                     attnjit_mla_decode** op);
ATTNJIT_API void attnjit_mla_decode_destroy(attnjit_mla_decode* op); /* NULL is fine */
/* Bytes of workspace that every call of at most `batch` sequences, `max_seqlen_q` queries each and `num_heads` heads
 * gets by with. */
ATTNJIT_API attnjit_status attnjit_mla_decode_workspace_bytes(const attnjit_mla_decode* op, int32_t batch,
                                                              int32_t max_seqlen_q, int32_t num_heads, size_t* bytes);
/* Allocates workspace ahead of time for such calls on `stream`. It belongs to the stream, not to its handle, and lives as
 * long as the operator or until it is released: see attnjit/workspace.hpp. CU_STREAM_PER_THREAD is refused. */
ATTNJIT_API attnjit_status attnjit_mla_decode_reserve(const attnjit_mla_decode* op, attnjit_stream stream,
                                                      int32_t batch, int32_t max_seqlen_q, int32_t num_heads);
/* Frees what was reserved for `stream`, whose work is done. */
ATTNJIT_API attnjit_status attnjit_mla_decode_release(const attnjit_mla_decode* op, attnjit_stream stream);
/* Checks and launches; no allocation, no synchronisation (but with debug_checks). */
ATTNJIT_API attnjit_status attnjit_mla_decode_run(const attnjit_mla_decode* op,
                                                  const attnjit_mla_decode_params* params, attnjit_stream stream);

/* ---- mask_from_topk: see attnjit/mask_from_topk.hpp for shapes and meaning ---------------------------------------- */

/* NULL for what is not given. */
typedef struct attnjit_mask_from_topk_params {
  size_t struct_size;
  const DLTensor* topk_indices; /* int32 [Tq, topk] */
  const DLTensor* cu_seqlens_q; /* int32 [B + 1] */
  const DLTensor* seq_lens;     /* optional int32 [B] */
  const DLTensor* mask;         /* int32 [Tq, words] */
  const DLTensor* mask_tiles;   /* int32 [Tq / 64 + B, ceil(words / 64)] */
} attnjit_mask_from_topk_params;
#define ATTNJIT_MASK_FROM_TOPK_PARAMS_INIT {sizeof(attnjit_mask_from_topk_params), NULL, NULL, NULL, NULL, NULL}

ATTNJIT_API attnjit_status attnjit_mask_from_topk_create(const attnjit_context* context, attnjit_mask_from_topk** op);
ATTNJIT_API void attnjit_mask_from_topk_destroy(attnjit_mask_from_topk* op); /* NULL is fine */
ATTNJIT_API attnjit_status attnjit_mask_from_topk_run(const attnjit_mask_from_topk* op,
                                                      const attnjit_mask_from_topk_params* params,
                                                      attnjit_stream stream);

/* ---- masked_mha: see attnjit/masked_mha.hpp for shapes and meaning -------------------------------------------------- */

/* NULL for what is not given. */
typedef struct attnjit_masked_mha_params {
  size_t struct_size;
  const attnjit_mha_varlen_params* attention; /* begins with its own struct_size */
  const DLTensor* topk_indices;               /* int32 [Tq, topk], or mask and mask_tiles */
  const DLTensor* mask;                       /* int32 [Tq, words] */
  const DLTensor* mask_tiles;                 /* int32 [Tq / 64 + B, ceil(words / 64)] */
  const DLTensor* key_offset;                 /* optional int32 [B] */
  int64_t max_positions;                      /* with topk_indices and key_offset: upper bound of offset + keys */
  void* workspace;                            /* with topk_indices: at a multiple of 16 bytes; or use reserve() */
  size_t workspace_bytes;
} attnjit_masked_mha_params;
#define ATTNJIT_MASKED_MHA_PARAMS_INIT {sizeof(attnjit_masked_mha_params), NULL, NULL, NULL, NULL, NULL, 0, NULL, 0}

/* Upper bounds of the calls that give topk_indices. */
typedef struct attnjit_masked_mha_bounds {
  size_t struct_size;
  int64_t tokens_q;
  int64_t batch;
  int64_t max_positions; /* without key_offset: max_seqlen_k */
} attnjit_masked_mha_bounds;
#define ATTNJIT_MASKED_MHA_BOUNDS_INIT {sizeof(attnjit_masked_mha_bounds), 0, 0, 0}

/* The config is that of the attention that is masked. */
ATTNJIT_API attnjit_status attnjit_masked_mha_create(const attnjit_context* context,
                                                     const attnjit_mha_varlen_config* config,
                                                     attnjit_masked_mha** op);
ATTNJIT_API void attnjit_masked_mha_destroy(attnjit_masked_mha* op); /* NULL is fine */
/* Checks and launches; no allocation, no synchronisation (but with debug_checks). */
ATTNJIT_API attnjit_status attnjit_masked_mha_run(const attnjit_masked_mha* op,
                                                  const attnjit_masked_mha_params* params, attnjit_stream stream);
/* Workspace that a call with topk_indices needs, and a way to have it made ahead of time for a stream's calls. */
ATTNJIT_API attnjit_status attnjit_masked_mha_workspace_bytes(const attnjit_masked_mha_bounds* bounds, size_t* bytes);
ATTNJIT_API attnjit_status attnjit_masked_mha_reserve(const attnjit_masked_mha* op, attnjit_stream stream,
                                                      const attnjit_masked_mha_bounds* bounds);
/* Frees what was reserved for `stream`, whose work is done. */
ATTNJIT_API attnjit_status attnjit_masked_mha_release(const attnjit_masked_mha* op, attnjit_stream stream);

/* ---- merge_states: see attnjit/merge_states.hpp for shapes and meaning ------------------------------------------ */

typedef struct attnjit_merge_states_config {
  size_t struct_size;
  int32_t head_dim;
  int32_t dtype;     /* attnjit_dtype of the states' out */
  int32_t out_dtype; /* attnjit_dtype; -1: as dtype */
  int32_t reserved;  /* 0 */
} attnjit_merge_states_config;
#define ATTNJIT_MERGE_STATES_CONFIG_INIT {sizeof(attnjit_merge_states_config), 0, ATTNJIT_BFLOAT16, -1, 0}

/* NULL for what is not given. */
typedef struct attnjit_merge_states_params {
  size_t struct_size;
  const DLTensor* out_a;     /* [T, H, d]; two states: these four */
  const DLTensor* lse_a;     /* float32 [T, H] */
  const DLTensor* out_b;     /* [T, H, d] */
  const DLTensor* lse_b;     /* float32 [T, H] */
  const DLTensor* outs;      /* [N, T, H, d]; any number: these two */
  const DLTensor* lses;      /* float32 [N, T, H] */
  const DLTensor* out;       /* [T, H, d] */
  const DLTensor* lse;       /* optional float32 [T, H] */
  const DLTensor* out_scale; /* float32 [1], for e4m3 output */
} attnjit_merge_states_params;
#define ATTNJIT_MERGE_STATES_PARAMS_INIT \
  {sizeof(attnjit_merge_states_params), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL}

/* Compiles or loads the operator's kernel. */
ATTNJIT_API attnjit_status attnjit_merge_states_create(const attnjit_context* context,
                                                       const attnjit_merge_states_config* config,
                                                       attnjit_merge_states** op);
ATTNJIT_API void attnjit_merge_states_destroy(attnjit_merge_states* op); /* NULL is fine */
/* Checks and launches; no allocation, no synchronisation. */
ATTNJIT_API attnjit_status attnjit_merge_states_run(const attnjit_merge_states* op,
                                                    const attnjit_merge_states_params* params, attnjit_stream stream);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ATTNJIT_ATTNJIT_H_ */
