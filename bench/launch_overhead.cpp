// Measures what a call costs the calling thread beyond the launch itself: MhaVarlen::run and attnjit_mha_varlen_run
// against a bare cuLaunchKernelEx of the same kernel with the same grid and parameters. Needs a GPU.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnjit/attnjit.h"
#include "attnjit/attnjit.hpp"
#include "bench/host_report.h"
#include "examples/device_tensors.hpp"
#include "operators/mha_varlen/kernels.h"
#include "runtime/context_impl.h"
#include "runtime/driver.h"
#include "runtime/driver_launcher.h"

namespace attnjit {
namespace {

// Little work, so that the GPU keeps up, and few launches between waits: a launch blocks once the driver's queue of
// about a thousand launches is full.
constexpr int kBatch = 100;

struct Options {
  int batches = 100;
  int device = 0;
  std::string arch;  // empty: the device's own
};

/// The kernel that a call launches, with the same parameters, in its own library handle.
class BareKernel {
 public:
  BareKernel(const Context& context, const MhaVarlenConfig& config, const MhaVarlenParams& params)
      : driver_(runtime::Driver::get()),
        call_(runtime::check_mha_varlen(config, params)),
        kernels_(runtime::choose_mha_varlen(config, runtime::context_impl(context)->features())) {
    const runtime::LoadedKernels loaded(context, kernels_->plans());
    const runtime::ReservedWorkspaces none(runtime::kMhaVarlen);
    const Workspace nothing;
    const runtime::WorkspaceSource source{runtime::kMhaVarlen, nothing, none};
    runtime::DriverLauncher launcher(driver_, loaded, nullptr, source);
    const runtime::Schedule schedule = kernels_->schedule(call_);
    const runtime::Step& launch = schedule[0];
    const runtime::KernelPlan& plan = kernels_->plans()[static_cast<std::size_t>(launch.plan)];
    params_ = kernels_->args(call_, schedule, 0, nullptr, launcher, storage_);
    family_ = plan.spec.family;
    const cache::Found found = runtime::context_impl(context)->loader().prepare(plan);
    CUdevice device = 0;
    driver_.check(driver_.cuDeviceGet(&device, context.device()), "cuDeviceGet");
    driver_.check(
        driver_.cuLibraryLoadData(&library_, found.entry->image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        "cuLibraryLoadData");
    driver_.check(driver_.cuLibraryGetKernel(&kernel_, library_, found.entry->entry_point.c_str()),
                  "cuLibraryGetKernel");
    driver_.check(
        driver_.cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, plan.smem_bytes, kernel_, device),
        "cuKernelSetAttribute");
    config_.gridDimX = launch.ctas;
    config_.gridDimY = config_.gridDimZ = 1;
    config_.blockDimX = static_cast<unsigned>(plan.threads);
    config_.blockDimY = config_.blockDimZ = 1;
    config_.sharedMemBytes = static_cast<unsigned>(plan.smem_bytes);
  }
  BareKernel(const BareKernel&) = delete;
  BareKernel& operator=(const BareKernel&) = delete;

  const std::string& family() const { return family_; }
  void launch(CUstream stream = nullptr) {
    config_.hStream = stream;
    void* arguments[] = {const_cast<void*>(params_)};
    driver_.check(driver_.cuLaunchKernelEx(&config_, reinterpret_cast<CUfunction>(kernel_), arguments, nullptr),
                  "cuLaunchKernelEx");
  }

 private:
  const runtime::Driver& driver_;
  runtime::MhaVarlenCall call_;
  std::unique_ptr<runtime::MhaVarlenKernels> kernels_;
  runtime::ArgsStorage storage_;
  const void* params_ = nullptr;
  std::string family_;
  CUlibrary library_ = nullptr;
  CUkernel kernel_ = nullptr;
  CUlaunchConfig config_{};
};

/// The same call through the C ABI.
class CAbiCall {
 public:
  CAbiCall(int device, const std::string& arch, const MhaVarlenConfig& config, const MhaVarlenParams& p)
      : q_(device, p.q),
        k_nope_(device, p.k_nope),
        k_pe_(device, p.k_pe),
        v_(device, p.v),
        out_(device, p.out),
        cu_seqlens_(device, p.cu_seqlens_q) {
    attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
    options.device = device;
    if (!arch.empty()) options.arch = arch.c_str();
    check(attnjit_context_create(&options, &context_));
    attnjit_mha_varlen_config c = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
    c.head_dim_qk = config.head_dim_qk;
    c.head_dim_v = config.head_dim_v;
    c.rope_dim = config.rope_dim;
    check(attnjit_mha_varlen_create(context_, &c, &op_));
    params_.q = &q_.dl;
    params_.k_nope = &k_nope_.dl;
    params_.k_pe = &k_pe_.dl;
    params_.v = &v_.dl;
    params_.out = &out_.dl;
    params_.cu_seqlens_q = params_.cu_seqlens_k = &cu_seqlens_.dl;
    params_.max_seqlen_q = p.max_seqlen_q;
    params_.max_seqlen_k = p.max_seqlen_k;
    params_.softmax_scale = p.softmax_scale;
  }
  ~CAbiCall() {
    attnjit_mha_varlen_destroy(op_);
    attnjit_context_destroy(context_);
  }
  CAbiCall(const CAbiCall&) = delete;
  CAbiCall& operator=(const CAbiCall&) = delete;

  void run() const { check(attnjit_mha_varlen_run(op_, &params_, nullptr)); }

 private:
  /// A DLTensor that points into its own copy of the view.
  struct Dl {
    Tensor tensor;
    DLTensor dl{};
    Dl(int device, const Tensor& view) : tensor(view) {
      dl.data = tensor.data;
      dl.device = {kDLCUDA, device};
      dl.ndim = tensor.rank;
      dl.dtype = tensor.dtype == DType::kInt32 ? DLDataType{kDLInt, 32, 1} : DLDataType{kDLBfloat, 16, 1};
      dl.shape = tensor.shape.data();
      dl.strides = tensor.strides.data();
    }
    Dl(const Dl&) = delete;
    Dl& operator=(const Dl&) = delete;
  };

  static void check(attnjit_status status) {
    if (status != ATTNJIT_OK) throw std::runtime_error(attnjit_last_error());
  }

  Dl q_, k_nope_, k_pe_, v_, out_, cu_seqlens_;
  attnjit_context* context_ = nullptr;
  attnjit_mha_varlen* op_ = nullptr;
  attnjit_mha_varlen_params params_ = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
};

/// So many that windows of 16 queries have more distinct addresses than a thread caches tensor maps for.
constexpr int kQueries = 1000;

/// 16 queries of `q`, starting at `first`.
Tensor rows_from(const Tensor& q, int first) {
  Tensor rows = q;
  rows.data = static_cast<char*>(q.data) + first * q.strides[0] * size_in_bytes(q.dtype);
  rows.shape[0] = 16;
  return rows;
}

/// Nanoseconds per call in one batch; the GPU is idle before and after.
template <class Call>
double time_batch(const examples::Gpu& gpu, Call&& call) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kBatch; ++i) call();
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  gpu.synchronize();
  return elapsed.count() / kBatch;
}

constexpr MhaVarlenConfig kConfig{.head_dim_qk = 192,
                                  .head_dim_v = 128,
                                  .rope_dim = 64,
                                  .dtype = DType::kBFloat16,
                                  .causal = true,
                                  .out_dtype = DType::kBFloat16};

/// 16 queries of `heads` heads, one tile per head.
void time_call(examples::Gpu& gpu, const Context& context, int heads, const Options& options,
               bench::HostReport& report) {
  const MlaPrefill prefill(context, kConfig);
  MhaVarlenParams params;
  const Tensor q = gpu.random({kQueries, heads, 192});
  params.q = rows_from(q, 0);
  params.k_nope = gpu.random({16, heads, 128});
  params.k_pe = gpu.random({16, 64});
  params.v = gpu.random({16, heads, 128});
  params.out = gpu.zeros({16, heads, 128});
  params.cu_seqlens_q = params.cu_seqlens_k = gpu.copy({0, 16});
  params.max_seqlen_q = params.max_seqlen_k = 16;
  params.softmax_scale = 0.0722f;
  BareKernel bare(context, kConfig, params);
  const CAbiCall c_abi(options.device, options.arch, kConfig, params);

  std::vector<double> bare_ns, run_ns, c_ns, run_over_ns, c_over_ns, moved_over_ns, thread_over_ns;
  int moves = 0;
  for (int i = -10; i < options.batches; ++i) {  // the first ten warm up
    const double b = time_batch(gpu, [&] { bare.launch(); });
    const double r = time_batch(gpu, [&] { prefill.run(params); });
    const double c = time_batch(gpu, [&] { c_abi.run(); });
    MhaVarlenParams moved = params;
    const double m = time_batch(gpu, [&] {
      moved.q = rows_from(q, ++moves % (kQueries - 16));
      prefill.run(moved);
    });
    // A stream whose id must be queried from the driver.
    const double bt = time_batch(gpu, [&] { bare.launch(CU_STREAM_PER_THREAD); });
    const double rt = time_batch(gpu, [&] { prefill.run(params, CU_STREAM_PER_THREAD); });
    if (i < 0) continue;
    thread_over_ns.push_back(rt - bt);
    bare_ns.push_back(b);
    run_ns.push_back(r);
    c_ns.push_back(c);
    run_over_ns.push_back(r - b);
    c_over_ns.push_back(c - b);
    moved_over_ns.push_back(m - b);
  }
  const std::string of = fmt::format(", kernel {}, {} tile{}, median of {} batches of {} calls", bare.family(), heads,
                                     heads > 1 ? "s" : "", options.batches, kBatch);
  report.add("bare cuLaunchKernelEx" + of, bench::median(bare_ns), "ns");
  report.add("MhaVarlen::run" + of, bench::median(run_ns), "ns");
  report.add("MhaVarlen::run over the bare launch before it" + of, bench::median(run_over_ns), "ns");
  report.add("MhaVarlen::run, q somewhere else in each call, over the bare launch before it" + of,
             bench::median(moved_over_ns), "ns");
  report.add("MhaVarlen::run over the bare launch before it, both on CU_STREAM_PER_THREAD" + of,
             bench::median(thread_over_ns), "ns");
  report.add("attnjit_mha_varlen_run (C ABI)" + of, bench::median(c_ns), "ns");
  report.add("attnjit_mha_varlen_run (C ABI) over the bare launch before it" + of, bench::median(c_over_ns), "ns");
}

int run(const Options& options, bench::HostReport& report) {
  examples::Gpu gpu(options.device);
  if (!gpu) throw std::runtime_error("this benchmark needs a GPU: there is no CUDA driver or no such device");
  ContextOptions context_options;
  context_options.device = options.device;
  context_options.arch = options.arch;
  const Context context(context_options);
  // One CTA per tile; and more tiles than SMs, assigned by a counter. The latter must ask the driver which stream it is
  // and whether it is being captured, because captured launches have no counter.
  for (const int heads : {1, 256}) time_call(gpu, context, heads, options, report);
  return report.write();
}

}  // namespace
}  // namespace attnjit

int main(int argc, char** argv) try {
  CLI::App app("Times the calling thread's cost of a call beyond a bare launch.");
  attnjit::bench::HostReport report(app, argc, argv);
  attnjit::Options options;
  app.add_option("--batches", options.batches, "batches of 100 calls of each kind")
      ->capture_default_str()
      ->check(CLI::Range(20, 10000));
  app.add_option("--device", options.device, "CUDA device")->capture_default_str();
  app.add_option("--arch", options.arch, "target (default: what fits the device; sm_90: the kernels for every SM)");
  CLI11_PARSE(app, argc, argv);
  return attnjit::run(options, report);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
