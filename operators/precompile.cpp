#include "operators/precompile.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "attnjit/error.hpp"
#include "jit/memory_limit.h"
#include "operators/check_indices.h"
#include "operators/fallback.h"
#include "runtime/context_impl.h"

namespace attnjit::runtime {
namespace {

struct Job {
  std::size_t report = 0;  // index
  Context context;
  KernelPlan plan;
};

/// All the work, and the reports to fill in. What could not be planned already has its error.
struct Work {
  std::vector<KernelReport> reports;
  std::vector<Job> jobs;
  std::vector<Context> contexts;  // one per arch that could be opened
};

Context open_context(const PrecompileOptions& options, const std::string& arch) {
  ContextOptions context_options = options.context;
  context_options.device = ContextOptions::kNoDevice;
  context_options.arch = arch;
  context_options.on_miss = MissPolicy::kAllow;  // whatever the environment says: the caller asked to compile
  Context context(std::move(context_options));
  cache::KernelCache& cache = context_impl(context)->loader().cache();
  if (cache.store() == nullptr) {
    const std::string why = cache.why_no_store();
    throw Error(Status::kInvalidArgument, fmt::format("there is no cache file to keep kernels in: {}",
                                                      why.empty() ? cache.location().reason : why));
  }
  return context;
}

/// The error's text, with the memory limit that may have caused it.
std::string text_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) == nullptr) return error.what();
  const std::string limit = jit::memory_limit();
  return limit.empty() ? "there is not enough memory" : fmt::format("{} leaves not enough memory; raise it", limit);
}

Work plan_work(const PrecompileOptions& options) {
  Work work;
  std::set<std::string> keys;
  for (const std::string& arch : options.archs) {
    std::optional<Context> context;
    for (const OperatorConfig& config : options.operators) {
      KernelReport report;
      report.operator_json = to_json(config);
      report.target = arch;
      try {
        if (!context) {
          context = open_context(options, arch);
          work.contexts.push_back(*context);
        }
        KernelLoader& loader = context_impl(*context)->loader();
        report.target = context->arch();
        std::vector<KernelPlan> wanted = plans_to_compile(*context, config, options.recompile);
        // merge_states has no index tensors.
        if (context_impl(*context)->options().debug_checks && !std::holds_alternative<MergeStatesConfig>(config)) {
          wanted.push_back(check_indices_plan());
        }
        for (KernelPlan& plan : wanted) {
          report.family = plan.spec.family;
          report.config_json = plan.spec.config_json();
          report.key = loader.key_fields(plan).key().hex();
          if (!keys.insert(report.key).second) continue;
          work.jobs.push_back({work.reports.size(), *context, std::move(plan)});
          work.reports.push_back(report);
        }
      } catch (const std::exception& error) {
        report.error = text_of(error);
        work.reports.push_back(std::move(report));
      }
    }
  }
  return work;
}

/// True if a later process will find the entry. An unwritable cache is only a warning to a running program, but storing
/// the kernels is the whole point here.
bool is_stored(cache::KernelCache& cache, const cache::Entry& entry) {
  return cache.store()->find(entry.fields, {.exactly = entry.compiler, .accepts = {}}).has_value();
}

std::int64_t resource(const cache::Entry& entry, const char* name) {
  const auto found = entry.resources.find(name);
  return found == entry.resources.end() ? 0 : found->second;
}

void prepare(const Job& job, bool recompile, KernelReport& report) {
  try {
    KernelLoader& loader = context_impl(job.context)->loader();
    const cache::Found found = loader.prepare(job.plan, recompile);
    const cache::Entry& entry = *found.entry;
    report.tier = found.tier;
    report.seconds = found.seconds;
    report.registers = static_cast<int>(resource(entry, "registers"));
    report.spill_bytes = static_cast<int>(resource(entry, "spill_store_bytes") + resource(entry, "spill_load_bytes"));
    report.smem_bytes = static_cast<int>(resource(entry, "static_shared_bytes")) + job.plan.smem_bytes;
    report.cubin_bytes = static_cast<std::int64_t>(entry.image.size());
    report.compiler = fmt::format("{} {}.{}", entry.compiler.name, entry.compiler.major, entry.compiler.minor);
    if (found.tier == cache::Tier::kStore || is_stored(loader.cache(), entry)) {
      report.ok = true;
    } else {
      report.error = fmt::format("compiled, but {} did not keep it; the cache's warning says why",
                                 loader.cache().store()->path().string());
    }
  } catch (const std::exception& error) {
    report.error = text_of(error);
  }
}

int worker_count(int wanted, std::size_t jobs) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::min(wanted > 0 ? wanted : cores, static_cast<int>(jobs));
}

}  // namespace

std::vector<KernelReport> precompile(const PrecompileOptions& options,
                                     const std::function<void(const PrecompileProgress&)>& progress,
                                     CacheCounters* counters) {
  Work work = plan_work(options);
  std::mutex progress_mutex;
  PrecompileProgress state{.done = 0, .total = static_cast<int>(work.reports.size()), .last = nullptr};
  const auto tell = [&](const KernelReport& report) {
    const std::lock_guard lock(progress_mutex);
    ++state.done;
    state.last = &report;
    if (progress) progress(state);
  };
  for (const KernelReport& report : work.reports) {
    if (!report.error.empty()) tell(report);
  }

  std::atomic<std::size_t> next{0};
  const auto work_off = [&] {
    for (std::size_t i = next++; i < work.jobs.size(); i = next++) {
      KernelReport& report = work.reports[work.jobs[i].report];
      prepare(work.jobs[i], options.recompile, report);
      tell(report);
    }
  };
  {
    const int wanted = worker_count(options.jobs, work.jobs.size());
    std::vector<std::jthread> workers;  // joined at the end of the block
    try {
      for (int i = 0; i < wanted; ++i) workers.emplace_back(work_off);
    } catch (const std::system_error& error) {
      // No more threads available: the ones that started, including this one, do the work.
      if (options.context.log && static_cast<int>(workers.size()) + 1 < wanted) {
        options.context.log(LogLevel::kWarning,
                            fmt::format("{} kernels instead of {} are compiled at once, because no more threads can be "
                                        "had ({}): see the limits of processes and of memory (ulimit -u, -v)",
                                        workers.size() + 1, wanted, error.what()));
      }
      work_off();
    }
  }
  if (counters != nullptr) {
    *counters = {};
    for (const Context& context : work.contexts) *counters += context.counters();
  }
  return std::move(work.reports);
}

}  // namespace attnjit::runtime
