/* attnjit.h as a C11 program sees it. Half of the test is that this file compiles without a warning. */
#include "c_program.h"

#include <stddef.h>
#include <string.h>

#include "attnjit/attnjit.h"

/* ABI 1 on 64-bit targets: neither sizes nor field offsets ever change. */
_Static_assert(sizeof(attnjit_context_options) == 104, "size of attnjit_context_options");
_Static_assert(offsetof(attnjit_context_options, device) == 8, "device");
_Static_assert(offsetof(attnjit_context_options, arch) == 16, "arch");
_Static_assert(offsetof(attnjit_context_options, log_user) == 56, "log_user");
_Static_assert(offsetof(attnjit_context_options, on_miss) == 64, "on_miss");
_Static_assert(offsetof(attnjit_context_options, cache_max_bytes) == 88, "cache_max_bytes");
_Static_assert(offsetof(attnjit_context_options, debug_checks) == 96, "debug_checks");
_Static_assert(sizeof(attnjit_miss) == 80, "size of attnjit_miss");
_Static_assert(sizeof(attnjit_cache_counters) == 168, "size of attnjit_cache_counters");
_Static_assert(offsetof(attnjit_cache_counters, loaded_hits) == 8, "loaded_hits");
_Static_assert(offsetof(attnjit_cache_counters, compile_seconds) == 120, "compile_seconds");
_Static_assert(sizeof(attnjit_mha_varlen_config) == 32, "size of attnjit_mha_varlen_config");
_Static_assert(offsetof(attnjit_mha_varlen_config, head_dim_qk) == 8, "head_dim_qk");
_Static_assert(offsetof(attnjit_mha_varlen_config, out_dtype) == 28, "out_dtype");
_Static_assert(sizeof(attnjit_mha_varlen_params) == 120, "size of attnjit_mha_varlen_params");
_Static_assert(offsetof(attnjit_mha_varlen_params, q) == 8, "q");
_Static_assert(offsetof(attnjit_mha_varlen_params, cu_seqlens_k) == 96, "cu_seqlens_k");
_Static_assert(offsetof(attnjit_mha_varlen_params, softmax_scale) == 112, "softmax_scale");
_Static_assert(sizeof(attnjit_mask_from_topk_params) == 48, "size of attnjit_mask_from_topk_params");
_Static_assert(offsetof(attnjit_mask_from_topk_params, mask_tiles) == 40, "mask_tiles");
_Static_assert(sizeof(attnjit_masked_mha_params) == 72, "size of attnjit_masked_mha_params");
_Static_assert(offsetof(attnjit_masked_mha_params, key_offset) == 40, "key_offset");
_Static_assert(offsetof(attnjit_masked_mha_params, workspace_bytes) == 64, "workspace_bytes");
_Static_assert(sizeof(attnjit_masked_mha_bounds) == 32, "size of attnjit_masked_mha_bounds");
_Static_assert(sizeof(attnjit_mla_decode_config) == 40, "size of attnjit_mla_decode_config");
_Static_assert(offsetof(attnjit_mla_decode_config, out_dtype) == 32, "out_dtype of attnjit_mla_decode_config");
_Static_assert(sizeof(attnjit_mla_decode_params) == 168, "size of attnjit_mla_decode_params");
_Static_assert(offsetof(attnjit_mla_decode_params, workspace) == 136, "workspace");
_Static_assert(offsetof(attnjit_mla_decode_params, softmax_scale) == 164, "softmax_scale of attnjit_mla_decode_params");
_Static_assert(sizeof(attnjit_merge_states_config) == 24, "size of attnjit_merge_states_config");
_Static_assert(offsetof(attnjit_merge_states_config, out_dtype) == 16, "out_dtype");
_Static_assert(sizeof(attnjit_merge_states_params) == 80, "size of attnjit_merge_states_params");
_Static_assert(offsetof(attnjit_merge_states_params, outs) == 40, "outs");
_Static_assert(offsetof(attnjit_merge_states_params, out_scale) == 72, "out_scale");

#define EXPECT(condition)                           \
  do {                                              \
    if (!(condition)) return "not so: " #condition; \
  } while (0)

static const char* check_init_macros(void) {
  attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
  attnjit_mha_varlen_config config = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  attnjit_mha_varlen_params params = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
  attnjit_merge_states_config merge_config = ATTNJIT_MERGE_STATES_CONFIG_INIT;
  attnjit_merge_states_params merge_params = ATTNJIT_MERGE_STATES_PARAMS_INIT;
  EXPECT(options.struct_size == sizeof options);
  EXPECT(options.device == 0 && options.compiler_exact == 0 && options.arch == NULL && options.log == NULL);
  EXPECT(options.on_miss == -1 && options.miss == NULL && options.cache_max_bytes == -1);
  EXPECT(config.struct_size == sizeof config);
  EXPECT(config.causal == 1 && config.dtype == ATTNJIT_BFLOAT16 && config.out_dtype == -1);
  EXPECT(params.struct_size == sizeof params);
  EXPECT(merge_config.struct_size == sizeof merge_config);
  EXPECT(merge_config.dtype == ATTNJIT_BFLOAT16 && merge_config.out_dtype == -1 && merge_config.reserved == 0);
  EXPECT(merge_params.struct_size == sizeof merge_params);
  EXPECT(merge_params.out_a == NULL && merge_params.out_scale == NULL);
  EXPECT(params.q == NULL && params.cu_seqlens_k == NULL && params.softmax_scale == 0.0f);
  return NULL;
}

/* The steps of an engine: warm up, freeze, read the counters. */
static const char* check_freeze(void) {
  attnjit_context* context = NULL;
  attnjit_mha_varlen* op = NULL;
  attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
  attnjit_mha_varlen_config config = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  attnjit_cache_counters counters = ATTNJIT_CACHE_COUNTERS_INIT;
  options.device = -1;
  options.arch = "sm_90a";
  options.cache_path = ":memory:";
  if (attnjit_context_create(&options, &context) != ATTNJIT_OK) return attnjit_last_error();
  if (attnjit_context_freeze(context, ATTNJIT_MISS_ERROR) != ATTNJIT_OK) return attnjit_last_error();
  config.head_dim_qk = 32;
  config.head_dim_v = 16;
  EXPECT(attnjit_mha_varlen_create(context, &config, &op) == ATTNJIT_CACHE_MISS);
  EXPECT(op == NULL);
  if (attnjit_context_counters(context, &counters) != ATTNJIT_OK) return attnjit_last_error();
  EXPECT(counters.refusals == 1 && counters.compiles == 0);
  attnjit_context_destroy(context);
  return NULL;
}

static const char* check_errors(void) {
  attnjit_context* context = NULL;
  attnjit_context_options options = {0};
  EXPECT(attnjit_context_create(&options, &context) == ATTNJIT_INVALID_ARGUMENT);
  EXPECT(context == NULL);
  EXPECT(strstr(attnjit_last_error(), "ATTNJIT_CONTEXT_OPTIONS_INIT") != NULL);
  EXPECT(attnjit_context_create(&options, NULL) == ATTNJIT_INVALID_ARGUMENT);
  EXPECT(strstr(attnjit_last_error(), "context") != NULL);
  EXPECT(strcmp(attnjit_status_name(ATTNJIT_INVALID_ARGUMENT), "ATTNJIT_INVALID_ARGUMENT") == 0);
  return NULL;
}

/* Compiles a kernel for an SM that need not be present; running it is refused. */
static const char* check_ahead_of_time(void) {
  attnjit_context* context = NULL;
  attnjit_mha_varlen* op = NULL;
  attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
  attnjit_mha_varlen_config config = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
  attnjit_mha_varlen_params params = ATTNJIT_MHA_VARLEN_PARAMS_INIT;

  options.device = -1;
  options.arch = "sm_90a";
  options.cache_path = ":memory:";
  if (attnjit_context_create(&options, &context) != ATTNJIT_OK) return attnjit_last_error();
  EXPECT(strcmp(attnjit_context_arch(context), "sm_90a") == 0);

  config.head_dim_qk = 32;
  config.head_dim_v = 16;
  if (attnjit_mha_varlen_create(context, &config, &op) != ATTNJIT_OK) return attnjit_last_error();
  attnjit_context_destroy(context); /* the operator keeps what it needs */
  EXPECT(attnjit_mha_varlen_run(op, &params, NULL) == ATTNJIT_INVALID_ARGUMENT);
  EXPECT(attnjit_last_error()[0] != '\0');
  attnjit_mha_varlen_destroy(op);
  return NULL;
}

const char* run_c_program(void) {
  const char* fault = check_init_macros();
  if (fault == NULL) fault = check_errors();
  if (fault == NULL) fault = check_ahead_of_time();
  if (fault == NULL) fault = check_freeze();
  if (fault == NULL && attnjit_abi_version() != ATTNJIT_ABI_VERSION) fault = "library and header disagree on the ABI";
  attnjit_context_destroy(NULL);
  attnjit_mha_varlen_destroy(NULL);
  return fault;
}
