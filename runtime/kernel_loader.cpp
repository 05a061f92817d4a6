#include "runtime/kernel_loader.h"

#include <fmt/format.h>

#include <utility>

#include "attnjit/error.hpp"
#include "cache/key.h"
#include "jit/compiler.h"
#include "runtime/driver.h"

namespace attnjit::runtime {
namespace {

/// Version of the grammar of keys: raised when the meaning of a field changes.
constexpr int kKeySchema = 1;
constexpr const char* kCompilerName = "nvrtc";

std::shared_ptr<const jit::Templates> choose_templates(const std::string& directory) {
  if (directory.empty()) return {std::shared_ptr<void>(), &jit::Templates::embedded()};
  return std::make_shared<const jit::Templates>(jit::Templates::from_directory(directory));
}

cache::KernelCacheOptions cache_options(const KernelLoaderOptions& options) {
  return {.location = cache::choose_location(options.cache_path),
          .warn = [log = options.log](const std::string& message) { log(LogLevel::kWarning, message); }};
}

/// The driver's words for "this cubin is not for me": made by a newer compiler, or for another SM.
bool refuses_cubin(CUresult result) {
  return result == CUDA_ERROR_INVALID_IMAGE || result == CUDA_ERROR_NO_BINARY_FOR_GPU ||
         result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION || result == CUDA_ERROR_INVALID_SOURCE ||
         result == CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
}

/// Thrown within this file only, so that load() can try another compiler's cubin.
struct CubinRefused {
  std::string reason;
};

std::string compiler_text(const cache::CompilerId& id) { return fmt::format("{} {}.{}", id.name, id.major, id.minor); }

}  // namespace

// ---- LoadedKernel

LoadedKernel::LoadedKernel(const Driver& driver, const cache::Entry& entry, const KernelPlan& plan, CUdevice device)
    : driver_(driver),
      name_(plan.spec.family),
      threads_(static_cast<unsigned>(plan.threads)),
      smem_bytes_(static_cast<unsigned>(plan.smem_bytes)) {
  const CUresult loaded =
      driver.cuLibraryLoadData(&library_, entry.image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
  if (refuses_cubin(loaded)) throw CubinRefused{driver.describe(loaded)};
  driver.check(loaded, "cuLibraryLoadData");
  try {
    driver.check(driver.cuLibraryGetKernel(&kernel_, library_, entry.entry_point.c_str()), "cuLibraryGetKernel");
    const CUresult sized =
        driver.cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, plan.smem_bytes, kernel_, device);
    if (refuses_cubin(sized)) throw CubinRefused{driver.describe(sized)};
    driver.check(sized, "cuKernelSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)");
  } catch (...) {
    driver.cuLibraryUnload(library_);
    throw;
  }
}

LoadedKernel::~LoadedKernel() { driver_.cuLibraryUnload(library_); }

void LoadedKernel::launch(unsigned ctas, const void* params, CUstream stream) const {
  CUlaunchConfig config{};
  config.gridDimX = ctas;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = threads_;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = smem_bytes_;
  config.hStream = stream;
  void* arguments[] = {const_cast<void*>(params)};
  // A CUkernel stands for a CUfunction of whichever context launches it (CUDA driver API, cuLaunchKernelEx).
  const CUresult result = driver_.cuLaunchKernelEx(&config, reinterpret_cast<CUfunction>(kernel_), arguments, nullptr);
  if (result != CUDA_SUCCESS) [[unlikely]] {
    throw Error(Status::kDriverError,
                fmt::format("launch of {} ({} CTAs of {} threads, {} bytes of shared memory) failed: {} [{}]", name_,
                            ctas, threads_, smem_bytes_, driver_.describe(result), driver_.version_name()));
  }
}

// ---- KernelLoader

KernelLoader::KernelLoader(KernelLoaderOptions options)
    : options_(std::move(options)),
      templates_(choose_templates(options_.template_dir)),
      cache_(cache_options(options_)) {}

const jit::Nvrtc& KernelLoader::nvrtc() {
  {
    const std::lock_guard lock(mutex_);
    if (nvrtc_ != nullptr) return *nvrtc_;
    jit::NvrtcSearch search;
    search.explicit_path = options_.nvrtc_path;
    if (options_.device) search.driver_cuda_major = Driver::get().version() / 1000;
    nvrtc_ = jit::Nvrtc::open(search);
  }
  // Once it is set it stays, so no lock is needed, nor held while the host's callback runs.
  options_.log(LogLevel::kInfo, fmt::format("compiling with {}", nvrtc_->name()));
  return *nvrtc_;
}

jit::Target KernelLoader::target() const {
  const std::lock_guard lock(mutex_);
  return options_.targets[target_];
}

bool KernelLoader::fall_back_to_next_target() {
  const jit::Nvrtc& compiler = nvrtc();
  const std::lock_guard lock(mutex_);
  std::size_t next = target_;
  while (next < options_.targets.size() && !compiler.supports(options_.targets[next])) ++next;
  if (next == target_ || next == options_.targets.size()) return false;
  target_ = next;
  return true;
}

const std::string& KernelLoader::source_digest(const jit::KernelSpec& spec) const {
  const std::lock_guard lock(mutex_);
  std::string& digest = source_digests_[spec.family];
  if (digest.empty()) digest = cache::sha256(templates_->closure_text(spec.header())).hex();
  return digest;
}

cache::KeyFields KernelLoader::key_fields(const KernelPlan& plan) const {
  return {.family = plan.spec.family,
          .config = plan.spec.config_json(),
          .target = target().name(),
          .options = jit::code_options(),
          .source_digest = source_digest(plan.spec),
          .schema = kKeySchema};
}

cache::Entry KernelLoader::compile(const KernelPlan& plan, const cache::KeyFields& fields) {
  const jit::Nvrtc& compiler = nvrtc();
  options_.log(LogLevel::kDebug, fmt::format("compiling {} {} for {}", fields.family, fields.config, fields.target));
  jit::Cubin cubin = jit::compile(
      compiler, *templates_,
      {.source = jit::generate(plan.spec), .target = jit::Target::parse(fields.target), .seed = fields.key().hex()});
  cache::Entry entry;
  entry.fields = fields;
  entry.compiler = {kCompilerName, cubin.compiler.major, cubin.compiler.minor};
  entry.entry_point = plan.spec.entry();
  entry.image = std::move(cubin.image);
  entry.resources = {{"registers", cubin.resources.registers},
                     {"stack_bytes", cubin.resources.stack_bytes},
                     {"spill_store_bytes", cubin.resources.spill_store_bytes},
                     {"spill_load_bytes", cubin.resources.spill_load_bytes},
                     {"static_shared_bytes", cubin.resources.static_shared_bytes},
                     {"dynamic_shared_bytes", plan.smem_bytes}};
  entry.log = std::move(cubin.log);
  entry.compile_seconds = cubin.seconds;
  entry.local = templates_->overridden();
  return entry;
}

bool KernelLoader::accepted(const cache::CompilerId& compiler) {
  const std::lock_guard lock(mutex_);
  return !refused_.contains(compiler_text(compiler));
}

cache::Found KernelLoader::prepare(const KernelPlan& plan, bool recompile) {
  for (;;) {
    try {
      return prepare_for_target(plan, recompile);
    } catch (const Error& error) {
      if (error.status() != Status::kUnsupported || !fall_back_to_next_target()) throw;
      options_.log(LogLevel::kInfo, fmt::format("{}; compiling for {}", error.what(), target().name()));
    }
  }
}

cache::Found KernelLoader::prepare_for_target(const KernelPlan& plan, bool recompile) {
  cache::KernelCache::Request request{.fields = key_fields(plan), .wish = {}, .recompile = recompile};
  if (options_.compiler == CompilerPolicy::kExact) {
    const jit::CompilerVersion version = nvrtc().version();
    request.wish.exactly = cache::CompilerId{kCompilerName, version.major, version.minor};
  } else {
    request.wish.accepts = [this](const cache::CompilerId& compiler) { return accepted(compiler); };
  }
  return cache_.get(request, [&] { return compile(plan, request.fields); });
}

std::shared_ptr<const LoadedKernel> KernelLoader::load(const KernelPlan& plan) {
  if (!options_.device) {
    throw Error(Status::kInvalidArgument, "this Context has no device: kernels can be compiled and cached, not loaded");
  }
  const Driver& driver = Driver::get();
  const std::string key = key_fields(plan).key().hex();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = loaded_.find(key); found != loaded_.end()) return found->second;
  }
  for (;;) {
    const cache::Found found = prepare(plan);
    try {
      auto kernel = std::make_shared<const LoadedKernel>(driver, *found.entry, plan, *options_.device);
      const std::lock_guard lock(mutex_);
      return loaded_.try_emplace(key, std::move(kernel)).first->second;
    } catch (const CubinRefused& refused) {
      const std::string compiler = compiler_text(found.entry->compiler);
      const std::string message =
          fmt::format("the {} refuses the cubin of {} for {} that {} made: {}", driver.version_name(), plan.spec.family,
                      found.entry->fields.target, compiler, refused.reason);
      const bool just_compiled = found.tier == cache::Tier::kCompiled;
      if (just_compiled || options_.compiler == CompilerPolicy::kExact) {
        throw Error(Status::kDriverError,
                    fmt::format("{}. Compile with an NVRTC that is not newer than the driver (ATTNJIT_NVRTC, or "
                                "ContextOptions::nvrtc_path), or update the driver",
                                message));
      }
      options_.log(LogLevel::kWarning, message + "; trying another compiler's");
      const std::lock_guard lock(mutex_);
      refused_.insert(compiler);
    }
  }
}

}  // namespace attnjit::runtime
