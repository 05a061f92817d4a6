/* MLA prefill through the C ABI. All queries are zero, so all visible keys have the same weight. Row j of v holds the
 * number j, so row i of a causal output is the mean of 0 to i, which is i / 2.
 */
#include <attnjit/attnjit.h>
#include <stdio.h>
#include <stdlib.h>

#include "device_memory.h"

enum { kTokens = 9, kHeads = 2, kNopeDim = 128, kRopeDim = 64, kHeadDimV = 128 };

static uint16_t to_bfloat16(float value) { /* exact for the small integers used here */
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)(bits >> 16);
}

static float from_bfloat16(uint16_t half) {
  const uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void check(attnjit_status status) {
  if (status == ATTNJIT_OK) return;
  fprintf(stderr, "%s: %s\n", attnjit_status_name(status), attnjit_last_error());
  exit(1);
}

/* A dense tensor (strides NULL) on device 0. DLTensor keeps a pointer to `shape`. */
static DLTensor device_tensor(void* data, DLDataType dtype, int ndim, int64_t* shape) {
  DLTensor tensor;
  memset(&tensor, 0, sizeof tensor);
  tensor.data = data;
  tensor.device.device_type = kDLCUDA;
  tensor.dtype = dtype;
  tensor.ndim = ndim;
  tensor.shape = shape;
  return tensor;
}

static int run(const device_memory* memory, const attnjit_mha_varlen* op) {
  static uint16_t zeros[kTokens * kHeads * (kNopeDim + kRopeDim)];
  static uint16_t v_rows[kTokens * kHeads * kHeadDimV];
  static uint16_t out_rows[kTokens * kHeads * kHeadDimV];
  const int32_t starts[2] = {0, kTokens}; /* one sequence */
  for (int i = 0; i < kTokens * kHeads * kHeadDimV; ++i) {
    v_rows[i] = to_bfloat16((float)(i / (kHeads * kHeadDimV)));
  }

  const DLDataType bf16 = {kDLBfloat, 16, 1}, int32 = {kDLInt, 32, 1};
  int64_t q_shape[3] = {kTokens, kHeads, kNopeDim + kRopeDim}, k_nope_shape[3] = {kTokens, kHeads, kNopeDim};
  int64_t k_pe_shape[2] = {kTokens, kRopeDim}; /* shared by all heads */
  int64_t v_shape[3] = {kTokens, kHeads, kHeadDimV}, starts_shape[1] = {2};
  const DLTensor q = device_tensor(device_upload(memory, zeros, sizeof zeros), bf16, 3, q_shape);
  const DLTensor k_nope = device_tensor(device_upload(memory, zeros, sizeof zeros), bf16, 3, k_nope_shape);
  const DLTensor k_pe = device_tensor(device_upload(memory, zeros, sizeof zeros), bf16, 2, k_pe_shape);
  const DLTensor v = device_tensor(device_upload(memory, v_rows, sizeof v_rows), bf16, 3, v_shape);
  const DLTensor out = device_tensor(device_upload(memory, zeros, sizeof out_rows), bf16, 3, v_shape);
  const DLTensor cu_seqlens = device_tensor(device_upload(memory, starts, sizeof starts), int32, 1, starts_shape);

  attnjit_mha_varlen_params params = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
  params.q = &q;
  params.k_nope = &k_nope;
  params.k_pe = &k_pe;
  params.v = &v;
  params.out = &out;
  params.cu_seqlens_q = &cu_seqlens;
  params.cu_seqlens_k = &cu_seqlens;
  params.max_seqlen_q = kTokens;
  params.max_seqlen_k = kTokens;
  params.softmax_scale = 0.0722f;
  check(attnjit_mha_varlen_run(op, &params, NULL));

  int wrong = 0;
  device_download(memory, out_rows, out.data, sizeof out_rows);
  for (int token = 0; token < kTokens; ++token) {
    const float value = from_bfloat16(out_rows[token * kHeads * kHeadDimV]);
    printf("token %d: %.2f\n", token, value);
    wrong += value != (float)token / 2;
  }
  void* const pointers[] = {q.data, k_nope.data, k_pe.data, v.data, out.data, cu_seqlens.data};
  for (size_t i = 0; i < sizeof pointers / sizeof *pointers; ++i) device_free(memory, pointers[i]);
  if (wrong != 0) printf("%d of %d tokens are not the mean of the values they see\n", wrong, (int)kTokens);
  return wrong != 0;
}

int main(void) {
  device_memory memory;
  const int have_gpu = device_memory_open(&memory, 0);

  attnjit_context* context = NULL;
  attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
  if (!have_gpu) {
    options.device = -1;
    options.arch = "sm_90a";
  }
  check(attnjit_context_create(&options, &context));

  attnjit_mha_varlen* op = NULL;
  attnjit_mha_varlen_config config = ATTNJIT_MHA_VARLEN_CONFIG_INIT; /* causal, bfloat16 */
  config.head_dim_qk = kNopeDim + kRopeDim;
  config.head_dim_v = kHeadDimV;
  config.rope_dim = kRopeDim;
  check(attnjit_mha_varlen_create(context, &config, &op)); /* compiles, or loads from the cache */

  int result = 0;
  if (have_gpu) {
    result = run(&memory, op);
  } else {
    printf("no GPU here: the kernels for %s were compiled and cached, not run\n", attnjit_context_arch(context));
  }
  attnjit_mha_varlen_destroy(op);
  attnjit_context_destroy(context);
  return result;
}
