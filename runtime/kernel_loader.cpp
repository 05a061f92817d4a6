#include "runtime/kernel_loader.h"

#include <fmt/format.h>

#include <utility>

#include "attnjit/error.hpp"
#include "cache/key.h"
#include "cache/shown_text.h"
#include "jit/compiler.h"
#include "jit/cubin_elf.h"
#include "runtime/driver.h"
#include "runtime/host_callbacks.h"
#include "runtime/library_call.h"
#include "runtime/load_result.h"
#include "templates/shared/tile_counters.h"

namespace attnjit::runtime {
namespace {

/// Version of the key format; raise it when the meaning of a field changes.
constexpr int kKeySchema = 1;
constexpr const char* kCompilerName = "nvrtc";

std::shared_ptr<const jit::Templates> choose_templates(const std::string& directory) {
  if (directory.empty()) return {std::shared_ptr<void>(), &jit::Templates::embedded()};
  return std::make_shared<const jit::Templates>(jit::Templates::from_directory(directory));
}

cache::KernelCacheOptions cache_options(const KernelLoaderOptions& options) {
  return {.location = cache::choose_location(options.cache_path),
          .locate = [path = options.cache_path] { return cache::choose_location(path); },
          .warn = [log = options.log](const std::string& message) { log(LogLevel::kWarning, message); },
          .max_bytes = options.cache_max_bytes};
}

jit::NvrtcSearch nvrtc_search(const KernelLoaderOptions& options) {
  jit::NvrtcSearch search;
  search.explicit_path = options.nvrtc_path;
  if (options.device) search.driver_cuda_major = Driver::get().version() / 1000;
  return search;
}

/// Internal to this file: lets load() try another compiler's cubin.
struct CubinRefused {
  std::string reason;
};

/// Internal to this file: the driver failed to load this cubin. `error` is reported if no other cubin can be had.
struct CubinFailed {
  Error error;
};

void check_load(const Driver& driver, CUresult result, const char* call) {
  if (refuses_cubin(result)) throw CubinRefused{driver.describe(result)};
  try {
    driver.check(result, call);
  } catch (const Error& error) {
    if (says_nothing_of_cubin(result)) throw;
    throw CubinFailed{error};
  }
}

/// Internal to this file, thrown through the cache: no kernel for the current target, but one for the next.
struct FoundForLaterTarget {
  std::shared_ptr<const cache::Entry> entry;
};

}  // namespace

LoadedKernel::LoadedKernel(const Driver& driver, const cache::Entry& entry, const KernelPlan& plan, CUdevice device,
                           const LogCallback& log)
    : driver_(driver),
      name_(plan.spec.family),
      threads_(static_cast<unsigned>(plan.threads)),
      smem_bytes_(static_cast<unsigned>(plan.smem_bytes)),
      tile_counters_([log, name = plan.spec.family] {
        log(LogLevel::kWarning,
            fmt::format(
                "{} has been launched on {} streams; launches on further ones balance uneven lengths less well: "
                "use streams again instead of making new ones",
                name, kernel::kTileCounters));
      }) {
  const CUresult loaded =
      driver.cuLibraryLoadData(&library_, entry.image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
  check_load(driver, loaded, "cuLibraryLoadData");
  try {
    check_load(driver, driver.cuLibraryGetKernel(&kernel_, library_, entry.entry_point.c_str()), "cuLibraryGetKernel");
    check_load(
        driver,
        driver.cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, plan.smem_bytes, kernel_, device),
        "cuKernelSetAttribute(MAX_DYNAMIC_SHARED_SIZE_BYTES)");
  } catch (...) {
    driver.cuLibraryUnload(library_);
    throw;
  }
}

LoadedKernel::~LoadedKernel() { driver_.cuLibraryUnload(library_); }

void LoadedKernel::launch(unsigned ctas, const void* params, CUstream stream, LaunchOrder order) const {
  CUlaunchConfig config{};
  config.gridDimX = ctas;
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = threads_;
  config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = smem_bytes_;
  config.hStream = stream;
  CUlaunchAttribute overlap{};
  if (served_order(order, driver_.version()) == LaunchOrder::kOverlapsPrevious) {
    overlap.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    overlap.value.programmaticStreamSerializationAllowed = 1;
    config.attrs = &overlap;
    config.numAttrs = 1;
  }
  void* arguments[] = {const_cast<void*>(params)};
  // A CUkernel passed as a CUfunction resolves to the launching context (CUDA driver API, cuLaunchKernelEx).
  const CUresult result = driver_.cuLaunchKernelEx(&config, reinterpret_cast<CUfunction>(kernel_), arguments, nullptr);
  if (result != CUDA_SUCCESS) [[unlikely]] {
    throw Error(Status::kDriverError,
                fmt::format("launch of {} ({} CTAs of {} threads, {} bytes of shared memory) failed: {} [{}]", name_,
                            ctas, threads_, smem_bytes_, driver_.describe(result), driver_.version_name()));
  }
}

KernelLoader::KernelLoader(KernelLoaderOptions options)
    : options_(std::move(options)),
      compilers_(nvrtc_search(options_), options_.log),
      templates_(choose_templates(options_.template_dir)),
      cache_(cache_options(options_)),
      miss_policy_(options_.on_miss) {}

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

cache::KeyFields KernelLoader::key_fields(const KernelPlan& plan, const jit::Target& target) const {
  return {.family = plan.spec.family,
          .config = plan.spec.config_json(),
          .target = target.name(),
          .options = jit::code_options(),
          .source_digest = source_digest(plan.spec),
          .schema = kKeySchema};
}

cache::Entry KernelLoader::compile(const KernelPlan& plan, const cache::KeyFields& fields) {
  const jit::Nvrtc& compiler = nvrtc(plan.oldest_compiler);
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

cache::Found KernelLoader::prepare(const KernelPlan& plan, bool recompile) {
  return loader_call(calls_, [&] { return prepare_for_some_target(plan, recompile); });
}
cache::Found KernelLoader::prepare_for_some_target(const KernelPlan& plan, bool recompile) {
  for (;;) {
    try {
      return prepare_for_target(plan, recompile);
    } catch (const FoundForLaterTarget& found) {
      return {.entry = found.entry, .tier = cache::Tier::kStore};
    } catch (const Error& error) {
      if (error.status() != Status::kUnsupported || !fall_back_to_next_target()) throw;
      options_.log(LogLevel::kInfo, fmt::format("{}; compiling for {}", error.what(), target().name()));
    }
  }
}

cache::CompilerWish KernelLoader::compiler_wish(const KernelPlan& plan, const cache::KeyFields& fields) {
  cache::CompilerWish wish;
  if (options_.compiler == CompilerPolicy::kExact) {
    const jit::CompilerVersion version = nvrtc(plan.oldest_compiler).version();
    wish.exactly = cache::CompilerId{kCompilerName, version.major, version.minor};
  }
  wish.accepts = [this, key = fields.key().hex()](const cache::CompilerId& compiler) {
    return !refused_.contains(key, compiler);
  };
  // A checksum only proves that a row is unchanged, not that it holds the right cubin.
  wish.fault = [&plan, target = jit::Target::parse(fields.target)](const cache::Entry& entry) {
    const std::string wanted = plan.spec.entry();
    if (entry.entry_point != wanted)
      return fmt::format("its entry point is {}, not {}", shown_line(entry.entry_point), wanted);
    return jit::why_not_kernel(entry.image, wanted, target);
  };
  return wish;
}

cache::Found KernelLoader::prepare_for_target(const KernelPlan& plan, bool recompile) {
  cache::KernelCache::Request request{.fields = key_fields(plan), .wish = {}, .recompile = recompile, .on_miss = {}};
  request.wish = compiler_wish(plan, request.fields);
  request.alone = inside_host_callback();
  const HeldLogLines held;  // released once no other thread waits for this one
  std::string trouble;
  request.on_miss = [&](const std::string& store_trouble) {
    trouble = store_trouble;
    on_miss(plan, request.fields, store_trouble);
  };
  try {
    return cache_.get(request, [&] { return compile(plan, request.fields); });
  } catch (const jit::CompilerTooOld&) {
    throw;
  } catch (const Error& error) {
    if (error.status() != Status::kNoCompiler || trouble.empty()) throw;
    throw Error(
        Status::kNoCompiler,
        fmt::format("the cache file, which may have the kernel, cannot be read ({}), and it cannot be compiled: {}",
                    trouble, error.what()));
  }
}

/// Runs before the cache compiles or waits; exceptions propagate to prepare().
void KernelLoader::on_miss(const KernelPlan& plan, const cache::KeyFields& fields, const std::string& store_trouble) {
  const MissPolicy policy = miss_policy_;
  if (policy == MissPolicy::kError) {
    if (auto entry = find_for_later_target(plan)) throw FoundForLaterTarget{std::move(entry)};
  } else if (policy == MissPolicy::kAllow && !options_.miss_callback) {
    return;
  }
  const MissPlace place{.store_path = cache_.store() == nullptr ? "" : cache_.store()->path().string(),
                        .template_dir = options_.template_dir};
  MissCause cause;
  if (std::string refused = refused_.reason(fields.key().hex()); !refused.empty()) {
    cause = {MissReason::kCubinRefused, std::move(refused)};
  } else if (!store_trouble.empty()) {
    cause = {MissReason::kStoreUnreadable, store_trouble};
  }
  const Miss miss = describe_miss(plan, fields, place, policy, std::move(cause));
  if (options_.miss_callback) options_.miss_callback(miss);
  if (policy == MissPolicy::kWarn) options_.log(LogLevel::kWarning, miss_text(miss, place));
  if (policy == MissPolicy::kError) {
    ++refusals_;
    throw MissError(miss_text(miss, place), miss);
  }
}

/// If NVRTC does not know the device's preferred target, kernels were compiled for a later one in the list. A context
/// that may compile learns that from NVRTC; one that may not has to look in the cache.
std::shared_ptr<const cache::Entry> KernelLoader::find_for_later_target(const KernelPlan& plan) {
  std::size_t first = 0;
  {
    const std::lock_guard lock(mutex_);
    first = target_ + 1;
  }
  for (std::size_t i = first; i < options_.targets.size(); ++i) {
    const cache::KeyFields fields = key_fields(plan, options_.targets[i]);
    if (auto entry =
            cache_.find({.fields = fields, .wish = compiler_wish(plan, fields), .recompile = false, .on_miss = {}})) {
      return entry;
    }
  }
  return nullptr;
}

bool KernelLoader::is_cached(const KernelPlan& plan) {
  return loader_call(calls_, [&] {
    const cache::KeyFields fields = key_fields(plan);
    return cache_.find({.fields = fields, .wish = compiler_wish(plan, fields), .on_miss = {}}) != nullptr ||
           find_for_later_target(plan) != nullptr;
  });
}

void KernelLoader::count_fallback(const std::string& warning) {
  if (fallbacks_++ == 0) options_.log(LogLevel::kWarning, warning);
}

CacheCounters KernelLoader::counters() const {
  const cache::Counters& c = cache_.counters();
  const auto seconds = [](const cache::Count& nanoseconds) { return 1e-9 * static_cast<double>(nanoseconds); };
  CacheCounters counters{.loaded_hits = loaded_hits_,
                         .memory_hits = c.memory_hits,
                         .store_hits = c.store_hits,
                         .waits = c.waits,
                         .compiles = c.compiles,
                         .misses = c.misses,
                         .refusals = refusals_,
                         .compile_failures = c.compile_failures,
                         .loads = loads_,
                         .refused_cubins = refused_cubins_,
                         .store_failures = c.store_failures,
                         .compile_seconds = seconds(c.compile_nanoseconds),
                         .load_seconds = seconds(load_nanoseconds_),
                         .wait_seconds = seconds(c.wait_nanoseconds),
                         .store_read_seconds = seconds(c.store_read_nanoseconds),
                         .store_write_seconds = seconds(c.store_write_nanoseconds),
                         .fallbacks = fallbacks_};
  if (const cache::Store* store = cache_.store()) {
    counters.bad_rows = store->counters().bad_rows;
    counters.bad_files = store->counters().bad_files;
    counters.evicted_rows = store->counters().evicted_rows;
  }
  return counters;
}

cache::Found KernelLoader::prepare_after_refusals(const KernelPlan& plan) {
  try {
    return prepare_for_some_target(plan, /*recompile=*/false);
  } catch (const Error& error) {
    const std::string refused = refused_.reason(key_fields(plan).key().hex());
    if (error.status() != Status::kNoCompiler || refused.empty()) throw;
    throw Error(Status::kNoCompiler, fmt::format("{}, and no other can be made: {}", refused, error.what()));
  }
}

std::shared_ptr<const LoadedKernel> KernelLoader::load(const KernelPlan& plan) {
  return loader_call(calls_, [&] { return find_or_load(plan); });
}
std::shared_ptr<const LoadedKernel> KernelLoader::find_or_load(const KernelPlan& plan) {
  if (!options_.device) {
    throw Error(Status::kInvalidArgument, "this Context has no device: kernels can be compiled and cached, not loaded");
  }
  const Driver& driver = Driver::get();
  const std::string key = key_fields(plan).key().hex();
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = loaded_.find(key); found != loaded_.end()) {
      ++loaded_hits_;
      return found->second;
    }
  }
  std::vector<std::shared_ptr<const cache::Entry>> refused_entries;
  for (;;) {
    const cache::Found found = prepare_after_refusals(plan);
    try {
      std::shared_ptr<const LoadedKernel> kernel;
      {
        const cache::Stopwatch stopwatch(load_nanoseconds_);
        kernel = std::make_shared<const LoadedKernel>(driver, *found.entry, plan, *options_.device, options_.log);
      }
      ++loads_;
      refused_.forget(found.entry->fields.key().hex(), found.entry->compiler);
      // There is a working one now. Refused rows stayed until here: another machine's driver may accept them.
      if (found.tier == cache::Tier::kCompiled) {
        for (const auto& entry : refused_entries) {
          if (entry->compiler != found.entry->compiler) cache_.evict(entry->fields, entry->compiler);
        }
      }
      const std::lock_guard lock(mutex_);
      return loaded_.try_emplace(key, std::move(kernel)).first->second;
    } catch (const CubinRefused& refused) {
      ++refused_cubins_;
      const std::string message =
          fmt::format("the {} refuses the cubin of {} for {} that {} made: {}", driver.version_name(), plan.spec.family,
                      found.entry->fields.target, compiler_text(found.entry->compiler), refused.reason);
      refused_.add(found.entry->fields.key().hex(), found.entry->compiler, message);
      refused_entries.push_back(found.entry);
      const bool just_compiled = found.tier == cache::Tier::kCompiled;
      if (just_compiled && plan.oldest_compiler > nvrtc().version()) throw jit::CompilerTooOld(message);
      if (just_compiled || options_.compiler == CompilerPolicy::kExact) {
        throw Error(Status::kDriverError, fmt::format("{}. {}", message, kWhatServesThisDriver));
      }
      options_.log(LogLevel::kWarning, message + "; trying another compiler's");
    } catch (const CubinFailed& failed) {
      if (found.tier == cache::Tier::kCompiled) throw failed.error;
      // Whatever is wrong with it was wrong when it was stored, so remove it for everyone.
      const std::string message =
          fmt::format("the stored cubin of {} for {} that {} made cannot be loaded: {}", plan.spec.family,
                      found.entry->fields.target, compiler_text(found.entry->compiler), failed.error.what());
      refused_.add(found.entry->fields.key().hex(), found.entry->compiler, message);
      cache_.evict(found.entry->fields, found.entry->compiler);
      options_.log(LogLevel::kWarning, message + "; dropped");
    }
  }
}

}  // namespace attnjit::runtime
