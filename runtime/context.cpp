#include "attnjit/context.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <utility>
#include <vector>

#include "attnjit/error.hpp"
#include "cache/size_limit.h"
#include "jit/target.h"
#include "runtime/context_impl.h"
#include "runtime/driver.h"
#include "runtime/host_callbacks.h"
#include "runtime/library_call.h"

namespace attnjit {
namespace {

CUdevice find_device(const runtime::Driver& driver, int ordinal) {
  int count = 0;
  driver.check(driver.cuDeviceGetCount(&count), "cuDeviceGetCount");
  if (count == 0) {
    throw Error(Status::kNoDriver,
                fmt::format("device {} does not exist: the driver shows 0 device(s); look whether CUDA_VISIBLE_DEVICES "
                            "hides them, or use device = ContextOptions::kNoDevice (-1) to compile without one",
                            ordinal));
  }
  if (ordinal < 0 || ordinal >= count) {
    throw Error(
        Status::kInvalidArgument,
        fmt::format("device {} does not exist: the driver shows {} device(s); give an ordinal from 0 to {}, make "
                    "more of them visible by CUDA_VISIBLE_DEVICES, or use ContextOptions::kNoDevice (-1) to "
                    "compile without one",
                    ordinal, count, count - 1));
  }
  CUdevice device = 0;
  driver.check(driver.cuDeviceGet(&device, ordinal), "cuDeviceGet");
  return device;
}

std::vector<jit::Target> targets_of(const runtime::Driver& driver, CUdevice device, int ordinal) {
  int major = 0;
  int minor = 0;
  driver.check(driver.cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device),
               "cuDeviceGetAttribute");
  driver.check(driver.cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device),
               "cuDeviceGetAttribute");
  std::vector<jit::Target> targets = jit::targets_for_device(major, minor);
  if (targets.empty()) {
    throw Error(Status::kUnsupported,
                fmt::format("device {} is SM {}.{}; kernels need SM 8.0 (Ampere) or newer: choose such a device by its "
                            "ordinal or by CUDA_VISIBLE_DEVICES",
                            ordinal, major, minor));
  }
  return targets;
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

MissPolicy chosen_miss_policy(const ContextOptions& options) {
  if (options.on_miss) {
    runtime::check_miss_policy("ContextOptions::on_miss", *options.on_miss);
    return *options.on_miss;
  }
  const std::string given = environment("ATTNJIT_ON_MISS");
  return given.empty() ? MissPolicy::kAllow : runtime::parse_miss_policy("ATTNJIT_ON_MISS", given);
}

FallbackPolicy chosen_fallback(const ContextOptions& options) {
  if (options.fallback) {
    if (*options.fallback != FallbackPolicy::kWarn && *options.fallback != FallbackPolicy::kError) {
      throw Error(Status::kInvalidArgument,
                  fmt::format("ContextOptions::fallback is {}; it is FallbackPolicy::kWarn (1) or kError (2)",
                              static_cast<int>(*options.fallback)));
    }
    return *options.fallback;
  }
  const std::string given = environment("ATTNJIT_FALLBACK");
  if (given.empty() || given == "warn") return FallbackPolicy::kWarn;
  if (given == "error") return FallbackPolicy::kError;
  throw Error(Status::kInvalidArgument, fmt::format("ATTNJIT_FALLBACK is \"{}\"; it is warn or error", given));
}

std::int64_t chosen_max_bytes(const ContextOptions& options) {
  if (!options.cache_max_bytes) return cache::max_bytes_of_environment();
  if (*options.cache_max_bytes < 0) {
    throw Error(Status::kInvalidArgument,
                fmt::format("ContextOptions::cache_max_bytes is {}; it is a number of bytes, or 0 for no limit",
                            *options.cache_max_bytes));
  }
  return *options.cache_max_bytes;
}

/// A boolean setting from the environment.
bool environment_flag(const char* name) {
  const std::string value = environment(name);
  if (!value.empty() && value != "0" && value != "1") {
    throw Error(Status::kInvalidArgument, fmt::format("{} is \"{}\"; it is 0 or 1", name, value));
  }
  return value == "1";
}

}  // namespace

Context::Impl::Impl(ContextOptions options) : options_(std::move(options)) {
  static constinit std::atomic<bool> exit_is_watched{false};
  if (!exit_is_watched.exchange(true)) process::watch_exit();
  options_.debug_checks |= environment_flag("ATTNJIT_DEBUG_CHECKS");
  options_.log = options_.log ? runtime::guard_log(std::move(options_.log)) : runtime::log_warnings_to_stderr;
  options_.miss_callback = runtime::guard_miss(std::move(options_.miss_callback));
  if (options_.nvrtc_path.empty()) options_.nvrtc_path = environment("ATTNJIT_NVRTC");
  if (options_.template_dir.empty()) options_.template_dir = environment("ATTNJIT_TEMPLATE_DIR");
  const MissPolicy on_miss = chosen_miss_policy(options_);
  options_.fallback = chosen_fallback(options_);
  const std::int64_t cache_max_bytes = chosen_max_bytes(options_);

  std::vector<jit::Target> targets;
  if (options_.device == ContextOptions::kNoDevice) {
    if (options_.arch.empty()) {
      throw Error(Status::kInvalidArgument,
                  "a Context without a device needs ContextOptions::arch, for example \"sm_90a\"");
    }
    targets = {jit::Target::parse(options_.arch)};
  } else {
    const runtime::Driver& driver = runtime::Driver::get();
    device_ = find_device(driver, options_.device);
    targets = options_.arch.empty() ? targets_of(driver, *device_, options_.device)
                                    : std::vector{jit::Target::parse(options_.arch)};
  }
  arch_ = targets.front().name();
  features_ = runtime::sm_features(targets.front());
  if (device_) {
    const runtime::Driver& driver = runtime::Driver::get();
    driver.check(driver.cuDeviceGetAttribute(&features_.sm_count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, *device_),
                 "cuDeviceGetAttribute(MULTIPROCESSOR_COUNT)");
  }
  loader_ =
      std::make_unique<runtime::KernelLoader>(runtime::KernelLoaderOptions{.targets = std::move(targets),
                                                                           .device = device_,
                                                                           .cache_path = options_.cache_path,
                                                                           .compiler = options_.compiler,
                                                                           .nvrtc_path = options_.nvrtc_path,
                                                                           .template_dir = options_.template_dir,
                                                                           .log = options_.log,
                                                                           .on_miss = on_miss,
                                                                           .miss_callback = options_.miss_callback,
                                                                           .cache_max_bytes = cache_max_bytes});
}

Context::Impl::~Impl() {
  const process::NoCancellation no_cancellation;
  // This process was forked while another thread was changing the loader: leak it.
  if (loader_ && loader_->forked_amidst()) (void)loader_.release();
}

void Context::Impl::check_generation() const {
  if (generation_ == process::generation()) [[likely]]
    return;
  throw Error(
      Status::kDriverError,
      fmt::format("this process was forked after its Context of device {} was made, and CUDA does not work in "
                  "such a child: make the Context in the child, before which the parent must not have used CUDA "
                  "(multiprocessing's \"spawn\")",
                  options_.device));
}

CUcontext Context::Impl::primary_context() {
  // Retained once and never released, as the host's CUDA runtime does.
  std::call_once(primary_once_, [&] {
    const runtime::Driver& driver = runtime::Driver::get();
    driver.check(driver.cuDevicePrimaryCtxRetain(&primary_, *device_), "cuDevicePrimaryCtxRetain");
  });
  return primary_;
}

Context::Impl::CurrentContext::CurrentContext(Impl& impl) : impl_(impl) {
  impl.check_generation();
  const runtime::Driver& driver = runtime::Driver::get();
  CUdevice device = 0;
  const CUresult result = driver.cuCtxGetDevice(&device);
  if (result == CUDA_ERROR_INVALID_CONTEXT) {  // none is current, or it was destroyed
    CUcontext current = nullptr;
    driver.check(driver.cuCtxGetCurrent(&current), "cuCtxGetCurrent");
    if (current == nullptr) {
      driver.check(driver.cuCtxPushCurrent(impl.primary_context()), "cuCtxPushCurrent");
      pushed_ = true;
      return;
    }
  }
  driver.check(result, "cuCtxGetDevice");
  if (device != *impl.device_) {
    throw Error(
        Status::kInvalidArgument,
        fmt::format("wrong device: the current CUDA context is of device {}, this attnjit::Context of device {}. "
                    "Make a context of device {} current (cudaSetDevice, torch.cuda.device), or use the "
                    "attnjit::Context of device {}",
                    device, impl.options_.device, impl.options_.device, device));
  }
}

Context::Impl::CurrentContext::~CurrentContext() {
  if (!pushed_) return;
  CUcontext popped = nullptr;
  runtime::Driver::get().cuCtxPopCurrent(&popped);
}

Context::Context(ContextOptions options)
    : impl_(runtime::library_call([&] { return std::make_shared<Impl>(std::move(options)); })) {}
const std::string& Context::arch() const noexcept { return impl_->arch(); }
int Context::device() const noexcept { return impl_->options().device; }
void Context::freeze(MissPolicy policy) {
  runtime::check_miss_policy("the policy of freeze()", policy);
  runtime::library_call([&] {
    impl_->loader().set_miss_policy(policy);
    impl_->loader().cache().flush_uses();
  });
}
MissPolicy Context::miss_policy() const noexcept { return impl_->loader().miss_policy(); }
CacheCounters Context::counters() const { return impl_->loader().counters(); }

}  // namespace attnjit
