#include "runtime/kernel_loader.h"

#include <fmt/format.h>

#include <utility>

#include "attnjit/error.hpp"
#include "cache/shown_text.h"
#include "jit/cubin_elf.h"
#include "runtime/driver.h"
#include "runtime/host_callbacks.h"
#include "runtime/library_call.h"

namespace attnjit::runtime {
namespace {

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

}  // namespace

KernelLoader::KernelLoader(KernelLoaderOptions options)
    : options_(std::move(options)),
      builder_(options_.template_dir, nvrtc_search(options_), options_.log),
      targets_(options_.targets),
      cache_(cache_options(options_)),
      miss_policy_(options_.on_miss) {}

cache::Found KernelLoader::prepare(const KernelPlan& plan, bool recompile) {
  return loader_call(calls_, [&] { return prepare_for_some_target(plan, recompile); });
}
cache::Found KernelLoader::prepare_for_some_target(const KernelPlan& plan, bool recompile) {
  for (;;) {
    try {
      return prepare_for_target(plan, recompile);
    } catch (const Error& error) {
      if (error.status() != Status::kUnsupported || !targets_.fall_back(nvrtc())) throw;
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
    return on_miss(plan, request.fields, store_trouble);
  };
  try {
    for (;;) {
      cache::Found found = cache_.get(request, [&] { return builder_.compile(plan, request.fields); });
      if (found.entry) return found;
      // on_miss() gave up because the cache has the kernel of a later target. If that was evicted meanwhile, ask again.
      if (auto later = find_for_later_target(plan)) return {.entry = std::move(later), .tier = cache::Tier::kStore};
    }
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

/// Runs before the cache compiles or waits. What it throws is for the caller of prepare(): MissError, or what the
/// host's callback threw.
cache::MissDecision KernelLoader::on_miss(const KernelPlan& plan, const cache::KeyFields& fields,
                                          const std::string& store_trouble) {
  const MissPolicy policy = miss_policy_;
  if (policy == MissPolicy::kError) {
    if (find_for_later_target(plan)) return cache::MissDecision::kGiveUp;
  } else if (policy == MissPolicy::kAllow && !options_.miss_callback) {
    return cache::MissDecision::kCompile;
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
  return cache::MissDecision::kCompile;
}

/// If NVRTC does not know the device's preferred target, kernels were compiled for a later one in the list. A context
/// that may compile learns that from NVRTC; one that may not has to look in the cache.
std::shared_ptr<const cache::Entry> KernelLoader::find_for_later_target(const KernelPlan& plan) {
  for (const jit::Target& target : targets_.later()) {
    const cache::KeyFields fields = builder_.key_fields(plan, target);
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
