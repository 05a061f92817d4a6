/* attnjit, C ABI: the operators of the C++ API on DLTensor*.
 *
 * Functions that can fail return a status; attnjit_last_error() gives this thread's last error text. No C++ exception
 * leaves the library. Handles may be used from several threads at once.
 *
 * ABI policy: a struct begins with its size, which the caller sets to sizeof(the struct) (the _INIT macros do). Fields
 * are only ever appended, and a caller built against an older header gets the defaults for fields it does not know.
 * A size larger than the library's own is an error. Enumerators keep their values. attnjit_abi_version() changes only
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
  ATTNJIT_CACHE_MISS = 8 /* a kernel would have to be compiled, but the miss policy forbids it */
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
ATTNJIT_API uint32_t attnjit_abi_version(void);  /* the library's ATTNJIT_ABI_VERSION */
/* The ABI of this library as JSON, for bindings of other languages:
     {"abi": 1, "dtypes": {name: {"value", "bits", "dlpack_code"}}, "cache_formats": {name: value},
      "structs": {name: {"size", "fields": [{"name", "type", "offset", "default"}]}},
      "operators": {name: {"names", "config", "params"}}}
   Every struct begins with a size_t struct_size, which is not listed as a field. Reserved fields are not listed either.
   Valid for the life of the process; "" if out of memory. */
ATTNJIT_API const char* attnjit_abi_json(void);
ATTNJIT_API const char* attnjit_status_name(attnjit_status status);
/* Text of the calling thread's last error; "" if there was none. Valid until this thread's next call. */
ATTNJIT_API const char* attnjit_last_error(void);

/* ---- context ------------------------------------------------------------------------------------------------- */

/* level: 0 debug, 1 info, 2 warning. May be called from any thread that uses the context. It may use the library; log
   lines this causes do not reach it, and warnings among them go to stderr. */
typedef void (*attnjit_log_callback)(int level, const char* message, void* user);

/* Values of attnjit::MissPolicy: what to do when a kernel is missing. See attnjit/miss.hpp. */
typedef enum attnjit_miss_policy {
  ATTNJIT_MISS_ALLOW = 0, /* compile */
  ATTNJIT_MISS_WARN = 1,  /* log a warning, then compile */
  ATTNJIT_MISS_ERROR = 2  /* return ATTNJIT_CACHE_MISS; compile nothing */
} attnjit_miss_policy;

/* Values of attnjit::MissReason: why a kernel would have to be compiled. */
typedef enum attnjit_miss_reason {
  ATTNJIT_MISS_ABSENT = 0,           /* neither in memory nor in the cache file, or there is no cache file */
  ATTNJIT_MISS_STORE_UNREADABLE = 1, /* the cache file cannot be read now; it may contain the kernel */
  ATTNJIT_MISS_CUBIN_REFUSED = 2     /* this process's driver rejects the cached one */
} attnjit_miss_reason;

/* Filled in by the library; strings are valid during the callback. */
typedef struct attnjit_miss {
  size_t struct_size;          /* size of the library's struct: fields beyond it do not exist */
  const char* operator_config; /* JSON of the operator that needs the kernel */
  const char* kernel_config;   /* JSON of what would be compiled */
  const char* family;          /* "sm80_mha_varlen" */
  const char* arch;            /* "sm_90a" */
  const char* key;             /* 64 hexadecimal digits */
  const char* command;         /* command line that compiles it into this context's cache; "" if none would help */
  int32_t policy;              /* attnjit_miss_policy */
  int32_t reserved;
  const char* why;             /* the reason in words; "" for ATTNJIT_MISS_ABSENT */
  int32_t reason;              /* attnjit_miss_reason */
  int32_t reserved_reason;
} attnjit_miss;

/* Called on the thread that creates an operator, before anything is compiled. May create operators, including the one
   being reported; their misses are not reported. Threads that want the same kernel wait until it returns. */
typedef void (*attnjit_miss_callback)(const attnjit_miss* miss, void* user);

/* Values of attnjit::FallbackPolicy: what to do if no NVRTC on this machine can build an operator's fastest kernels. */
typedef enum attnjit_fallback_policy {
  ATTNJIT_FALLBACK_WARN = 1, /* use slower kernels; warn once per context and count */
  ATTNJIT_FALLBACK_ERROR = 2 /* ATTNJIT_NO_COMPILER, or ATTNJIT_CACHE_MISS if that applies */
} attnjit_fallback_policy;

typedef struct attnjit_context_options {
  size_t struct_size;       /* sizeof(attnjit_context_options) */
  int32_t device;           /* CUDA ordinal; -1: compile and cache only, `arch` is then required */
  int32_t compiler_exact;   /* 0: newest cached cubin the driver accepts; 1: only that of this process's NVRTC */
  const char* arch;         /* "sm_90a"; NULL: the one that fits the device */
  const char* cache_path;   /* folder; NULL: from the environment; ":memory:": no cache file */
  const char* nvrtc_path;   /* libnvrtc; NULL: searched for */
  const char* template_dir; /* NULL: ATTNJIT_TEMPLATE_DIR, else embedded */
  attnjit_log_callback log; /* NULL: warnings to stderr. It and log_user must outlive context and operators */
  void* log_user;
  int32_t on_miss;          /* attnjit_miss_policy; -1: ATTNJIT_ON_MISS, else ATTNJIT_MISS_ALLOW */
  int32_t reserved;         /* 0 */
  attnjit_miss_callback miss; /* NULL: none; else called for each miss, whatever the policy */
  void* miss_user;
  int64_t cache_max_bytes; /* 0: no limit; -1: ATTNJIT_CACHE_MAX_SIZE, else 2 GiB */
  int32_t debug_checks;    /* 1: check index tensors on the device before each launch (attnjit/context.hpp); 0: off */
  int32_t fallback;        /* attnjit_fallback_policy; 0: ATTNJIT_FALLBACK, else ATTNJIT_FALLBACK_WARN */
} attnjit_context_options;
#define ATTNJIT_CONTEXT_OPTIONS_INIT \
  {sizeof(attnjit_context_options), 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, -1, 0, NULL, NULL, -1, 0, 0}

/* options may be NULL: device 0 and defaults. */
ATTNJIT_API attnjit_status attnjit_context_create(const attnjit_context_options* options, attnjit_context** context);
ATTNJIT_API void attnjit_context_destroy(attnjit_context* context); /* NULL is fine; operators keep what they need */
ATTNJIT_API const char* attnjit_context_arch(const attnjit_context* context);

/* Ends warm-up: from now on `policy` decides about a missing kernel. */
ATTNJIT_API attnjit_status attnjit_context_freeze(attnjit_context* context, attnjit_miss_policy policy);

/* Counters of the context's kernel cache so far; attnjit/counters.hpp explains them. Set struct_size first. */
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
/* The counters as a JSON object; "" for NULL. Valid until this thread's next call of this function. */
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

/* NULL: not given. */
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
  int32_t max_seqlen_q;         /* upper bounds of the lengths; -1: not given, an error */
  int32_t max_seqlen_k;
  float softmax_scale;
  int32_t reserved; /* 0; makes the size a multiple of 8 without padding that a later field could hide in */
} attnjit_mha_varlen_params;
#define ATTNJIT_MHA_VARLEN_PARAMS_INIT                                                                            \
  {sizeof(attnjit_mha_varlen_params), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, -1, -1, 0.0f, 0}

/* Compiles or loads the operator's kernels. */
ATTNJIT_API attnjit_status attnjit_mha_varlen_create(const attnjit_context* context,
                                                     const attnjit_mha_varlen_config* config,
                                                     attnjit_mha_varlen** op);
ATTNJIT_API void attnjit_mha_varlen_destroy(attnjit_mha_varlen* op); /* NULL is fine */
/* Checks and launches; no allocation, no synchronisation (unless debug_checks is on). */
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

/* NULL: not given. With cu_seqlens_q, q, out and lse are packed: [Tq, H, ..]. */
typedef struct attnjit_mla_decode_params {
  size_t struct_size;
  const DLTensor* q;              /* [B, s_q, H, R + P], or q_nope and q_pe */
  const DLTensor* q_nope;         /* [B, s_q, H, R] */
  const DLTensor* q_pe;           /* [B, s_q, H, P] */
  const DLTensor* cache;          /* [pages, page_size, R + P], or latent and rope; E4M3_ROWS: e4m3 [.., 656] */
  const DLTensor* latent;         /* [pages, page_size, R] */
  const DLTensor* rope;           /* [pages, page_size, P] */
  const DLTensor* cache_scale;    /* optional float32 [1], for ATTNJIT_CACHE_E4M3 */
  const DLTensor* block_table;    /* int32 [B, max_pages], or kv_indptr and kv_indices */
  const DLTensor* kv_indptr;      /* int32 [B + 1] */
  const DLTensor* kv_indices;     /* int32 [any] */
  const DLTensor* seq_lens;       /* int32 [B] */
  const DLTensor* cu_seqlens_q;   /* int32 [B + 1], for packed tokens */
  const DLTensor* total_seq_lens; /* optional int32 [B], for interleaved shards */
  const DLTensor* out;            /* [B, s_q, H, R] */
  const DLTensor* lse;            /* optional float32 [B, s_q, H] */
  const DLTensor* out_scale;      /* float32 [1], for e4m3 output */
  void* workspace;                /* on the device; NULL: what attnjit_mla_decode_reserve() allocated for the stream */
  size_t workspace_bytes;
  int32_t max_seqlen_q; /* required for packed tokens; -1: not given */
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
/* Bytes of workspace that suffice for every call of at most `batch` sequences, `max_seqlen_q` queries each and
 * `num_heads` heads. */
ATTNJIT_API attnjit_status attnjit_mla_decode_workspace_bytes(const attnjit_mla_decode* op, int32_t batch,
                                                              int32_t max_seqlen_q, int32_t num_heads, size_t* bytes);
/* Allocates workspace ahead of time for such calls on `stream`. It belongs to the stream, not to its handle, and lives
 * until it is released or the operator is destroyed: see attnjit/workspace.hpp. CU_STREAM_PER_THREAD is refused. */
ATTNJIT_API attnjit_status attnjit_mla_decode_reserve(const attnjit_mla_decode* op, attnjit_stream stream,
                                                      int32_t batch, int32_t max_seqlen_q, int32_t num_heads);
/* Frees what was reserved for `stream`, whose work must be done. */
ATTNJIT_API attnjit_status attnjit_mla_decode_release(const attnjit_mla_decode* op, attnjit_stream stream);
/* Checks and launches; no allocation, no synchronisation (unless debug_checks is on). */
ATTNJIT_API attnjit_status attnjit_mla_decode_run(const attnjit_mla_decode* op,
                                                  const attnjit_mla_decode_params* params, attnjit_stream stream);

/* ---- mask_from_topk: see attnjit/mask_from_topk.hpp for shapes and meaning ------------------------------------- */

/* NULL: not given. */
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

/* ---- masked_mha: see attnjit/masked_mha.hpp for shapes and meaning ---------------------------------------------- */

/* NULL: not given. */
typedef struct attnjit_masked_mha_params {
  size_t struct_size;
  const attnjit_mha_varlen_params* attention; /* begins with its own struct_size */
  const DLTensor* topk_indices;               /* int32 [Tq, topk], or mask and mask_tiles */
  const DLTensor* mask;                       /* int32 [Tq, words] */
  const DLTensor* mask_tiles;                 /* int32 [Tq / 64 + B, ceil(words / 64)] */
  const DLTensor* key_offset;                 /* optional int32 [B] */
  int64_t max_positions;                      /* with topk_indices and key_offset: upper bound of offset + keys */
  void* workspace;                            /* with topk_indices: 16-byte aligned; or use reserve() */
  size_t workspace_bytes;
} attnjit_masked_mha_params;
#define ATTNJIT_MASKED_MHA_PARAMS_INIT {sizeof(attnjit_masked_mha_params), NULL, NULL, NULL, NULL, NULL, 0, NULL, 0}

/* Upper bounds for calls with topk_indices. */
typedef struct attnjit_masked_mha_bounds {
  size_t struct_size;
  int64_t tokens_q;
  int64_t batch;
  int64_t max_positions; /* without key_offset: max_seqlen_k */
} attnjit_masked_mha_bounds;
#define ATTNJIT_MASKED_MHA_BOUNDS_INIT {sizeof(attnjit_masked_mha_bounds), 0, 0, 0}

/* Takes the config of the attention to be masked. */
ATTNJIT_API attnjit_status attnjit_masked_mha_create(const attnjit_context* context,
                                                     const attnjit_mha_varlen_config* config,
                                                     attnjit_masked_mha** op);
ATTNJIT_API void attnjit_masked_mha_destroy(attnjit_masked_mha* op); /* NULL is fine */
/* Checks and launches; no allocation, no synchronisation (unless debug_checks is on). */
ATTNJIT_API attnjit_status attnjit_masked_mha_run(const attnjit_masked_mha* op,
                                                  const attnjit_masked_mha_params* params, attnjit_stream stream);
/* Bytes of workspace for calls with topk_indices, and allocation ahead of time for calls on one stream. */
ATTNJIT_API attnjit_status attnjit_masked_mha_workspace_bytes(const attnjit_masked_mha_bounds* bounds, size_t* bytes);
ATTNJIT_API attnjit_status attnjit_masked_mha_reserve(const attnjit_masked_mha* op, attnjit_stream stream,
                                                      const attnjit_masked_mha_bounds* bounds);
/* Frees what was reserved for `stream`, whose work must be done. */
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

/* NULL: not given. */
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
