// Benchmarks the cache alone, with random bytes as kernels: the time of a look-up in each tier, in a large store and
// beside a writer, and what single-flight saves when many processes start cold.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/cache_load.h"
#include "bench/child_process.h"
#include "bench/host_report.h"

namespace attnjit::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
using cache::KernelCache;
using cache::Tier;
using namespace std::chrono_literals;

struct Options {
  int entries = 10'000;
  int readers = 16;
  int processes = 16;
  int threads = 4;
  int kernels = 4;
  int compile_ms = 100;
  std::string child;                   // set in a child: its role
  std::string folder;                  // of the store
  int number = 0;                      // of the child
  double seconds = 3;                  // how long readers and the writer run
  std::chrono::microseconds pause{0};  // between two operations of one of them
};

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

KernelCache::Request request(int number) { return {fake_fields(number), {}, false}; }

double timed_get(KernelCache& cache, int number, Tier expected) {
  const KernelCache::Request wanted = request(number);
  const cache::Entry made = expected == Tier::kCompiled ? fake_entry(number) : cache::Entry{};
  const auto start = Clock::now();
  const cache::Found found = cache.get(wanted, [&] { return made; });
  const double microseconds = microseconds_since(start);
  if (found.tier != expected) throw std::runtime_error(fmt::format("found in tier {}", to_string(found.tier)));
  return microseconds;
}

// ---- the children's roles -------------------------------------------------------------------------------------------

/// KiB that this process has read from disk so far.
double disk_kib() {
  std::ifstream counters("/proc/self/io");
  std::string name;
  std::int64_t bytes = 0;
  while (counters >> name >> bytes) {
    if (name == "read_bytes:") return static_cast<double>(bytes) / 1024;
  }
  throw std::runtime_error("/proc/self/io does not say what was read");
}

/// A fresh process opens the store and finds one kernel.
Json first_kernel(const Options& options) {
  const double read_before = disk_kib();
  const auto start = Clock::now();
  const auto cache = open_cache(options.folder);
  const double opened = microseconds_since(start);
  timed_get(*cache, options.number, Tier::kStore);
  const double first = microseconds_since(start);
  const double read = disk_kib() - read_before;
  const double second = timed_get(*cache, options.number + 1, Tier::kStore);
  return {{"opened", opened}, {"first", first}, {"read", read}, {"second", second}};
}

/// Keeps reading different kernels, or writing new ones; prints how long each took.
Json work(const Options& options, bool writes) {
  cache::Store store(options.folder);
  std::vector<double> times;
  const auto end = Clock::now() + std::chrono::duration<double>(options.seconds);
  for (int i = options.number; Clock::now() < end; i += 7919) {  // a prime, so that all kernels are visited
    const cache::Entry entry = writes ? fake_entry(1'000'000 + i) : cache::Entry{};
    const auto start = Clock::now();
    if (writes) {
      store.put(entry);
    } else if (!store.find(fake_fields(i % options.entries), {})) {
      throw std::runtime_error("a kernel is missing");
    }
    times.push_back(microseconds_since(start));
    std::this_thread::sleep_for(options.pause);
  }
  return times;
}

/// All threads of a cold process request all kernels, with or without single-flight. Prints how many this process
/// compiled.
Json storm(const Options& options, bool single_flight) {
  std::atomic<int> compiles{0};
  const auto compile = [&](int number) {
    ++compiles;
    burn(std::chrono::milliseconds(options.compile_ms));
    return fake_entry(number);
  };
  std::unique_ptr<KernelCache> cache;
  std::unique_ptr<cache::Store> store;
  if (single_flight) {
    cache = open_cache(options.folder);
  } else {
    store = std::make_unique<cache::Store>(options.folder);
  }
  std::vector<std::thread> threads;
  for (int thread = 0; thread < options.threads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < options.kernels; ++i) {
        const int number = (i + thread) % options.kernels;
        if (single_flight) {
          cache->get(request(number), [&] { return compile(number); });
        } else if (!store->find(fake_fields(number), {})) {
          store->put(compile(number));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return compiles.load();
}

int run_child(const Options& options) {
  Gate::wait_at_standard_input();
  Json result;
  if (options.child == "first") result = first_kernel(options);
  if (options.child == "read") result = work(options, false);
  if (options.child == "write") result = work(options, true);
  if (options.child == "storm") result = storm(options, true);
  if (options.child == "storm-each-for-itself") result = storm(options, false);
  std::puts(result.dump().c_str());
  return 0;
}

// ---- the parent -----------------------------------------------------------------------------------------------------

ChildProcess start(const Options& options, const Gate& gate, const std::string& part, const std::string& folder,
                   int number, std::chrono::microseconds pause = 0us) {
  return ChildProcess({"--child", part, "--folder", folder, "--number", std::to_string(number), "--entries",
                       std::to_string(options.entries), "--threads", std::to_string(options.threads), "--kernels",
                       std::to_string(options.kernels), "--compile-ms", std::to_string(options.compile_ms),
                       "--pause-us", std::to_string(pause.count())},
                      gate);
}

void measure_tiers(HostReport& report) {
  const TemporaryFolder folder;
  constexpr int kKernels = 200;
  std::vector<double> compiled, stored;
  {
    const auto cache = open_cache(folder.path());
    for (int i = 0; i < kKernels; ++i) compiled.push_back(timed_get(*cache, i, Tier::kCompiled));
    constexpr int kHits = 200'000;
    const KernelCache::Request wanted = request(7);
    const auto start = Clock::now();
    for (int i = 0; i < kHits; ++i) cache->get(wanted, [] { return cache::Entry{}; });
    report.add("get() of a kernel in memory, digest of its key included", microseconds_since(start) / kHits, "us");
  }
  const auto cache = open_cache(folder.path());
  for (int i = 0; i < kKernels; ++i) stored.push_back(timed_get(*cache, i, Tier::kStore));
  report.add(fmt::format("get() of a kernel of {} bytes in the store, median of {}", kImageBytes, kKernels),
             spread_of(stored).median, "us");
  report.add(fmt::format("get() of a kernel that is compiled, beyond its compile, median of {}", kKernels),
             spread_of(compiled).median, "us");
  constexpr int kWaits = 21;
  std::vector<double> waited;
  for (int i = 0; i < kWaits; ++i) {
    const int number = kKernels + i;
    std::atomic<bool> compiling{false};
    Clock::time_point compiled_at;
    std::thread leader([&] {
      cache->get(request(number), [&] {
        compiling = true;
        std::this_thread::sleep_for(50ms);
        compiled_at = Clock::now();
        return fake_entry(number);
      });
    });
    while (!compiling) std::this_thread::yield();
    timed_get(*cache, number, Tier::kWaited);
    const auto got = Clock::now();
    leader.join();
    waited.push_back(std::chrono::duration<double, std::micro>(got - compiled_at).count());
  }
  report.add(fmt::format("get() of a kernel that another thread compiles, after its compile, median of {}", kWaits),
             spread_of(waited).median, "us");
}

/// Evicts the file from the page cache, as after a reboot. Returns how long reading one page of it then took, and
/// evicts that page too: the disk's share of a look-up, whatever the store does.
double forget_pages(const std::string& folder, int number) {
  const int file = open((folder + "/" + cache::Store::file_name()).c_str(), O_RDONLY | O_CLOEXEC);
  const auto forget = [&] {
    if (file < 0 || fdatasync(file) != 0 || posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) != 0) {
      throw std::runtime_error("the file's pages cannot be dropped from memory");
    }
  };
  forget();
  std::array<char, 4096> page;
  const auto start = Clock::now();
  const ssize_t got = pread(file, page.data(), page.size(), static_cast<off_t>(number) * kImageBytes);
  const double microseconds = microseconds_since(start);
  if (got <= 0) throw std::runtime_error("the file is shorter than its kernels are");
  forget();
  close(file);
  return microseconds;
}

void measure_large_store(const Options& options, const std::string& folder, HostReport& report) {
  constexpr int kSamples = 31;
  for (const bool in_memory : {true, false}) {
    std::vector<double> opened, first, second, read, page;
    for (int sample = 0; sample < kSamples; ++sample) {
      const int number = (sample * 7919 + 11) % (options.entries - 1);
      if (!in_memory) page.push_back(forget_pages(folder, number) / 1000);
      Gate gate;
      gate.open();
      const Json times = Json::parse(start(options, gate, "first", folder, number).finish());
      opened.push_back(times.at("opened").get<double>() / 1000);
      first.push_back(times.at("first").get<double>() / 1000);
      second.push_back(times.at("second").get<double>() / 1000);
      read.push_back(times.at("read").get<double>());
    }
    const std::string what = fmt::format("fresh process, store of {} kernels {}: ", options.entries,
                                         in_memory ? "whose pages are in memory" : "whose pages are not in memory");
    const std::string of = fmt::format(", of {} processes", kSamples);
    report.add(what + "opened, median" + of, spread_of(opened).median, "ms");
    report.add(what + "opened and first kernel found, median" + of, spread_of(first).median, "ms");
    report.add(what + "opened and first kernel found, slowest" + of, spread_of(first).most, "ms");
    report.add(what + "another kernel found, median" + of, spread_of(second).median, "ms");
    if (in_memory) {
      constexpr double kGoal = 5;
      if (const double median = spread_of(first).median; median > kGoal) {
        throw std::runtime_error(fmt::format("opening and a first look-up take {} ms; {} is the goal", median, kGoal));
      }
      continue;
    }
    report.add(what + "read from the disk until the first kernel was found, median" + of, spread_of(read).median,
               "KiB");
    report.add("one page of that file read from the disk by itself, median before" + of, spread_of(page).median, "ms");
    report.add("one page of that file read from the disk by itself, slowest before" + of, spread_of(page).most, "ms");
  }
}

void measure_readers(const Options& options, const std::string& folder, HostReport& report) {
  struct Load {
    const char* name;
    std::chrono::microseconds reader_pause;
    bool with_writer;
    std::chrono::microseconds writer_pause;
  };
  for (const Load& load : {Load{"each 10 ms, nobody writes", 10ms, false, 0us},
                           Load{"each 10 ms, one writes each 50 ms", 10ms, true, 50ms},
                           Load{"each 10 ms, one writes without a pause", 10ms, true, 0us},
                           Load{"without a pause, one writes each 50 ms", 0us, true, 50ms}}) {
    Gate gate;
    std::vector<ChildProcess> readers;
    for (int i = 0; i < options.readers; ++i) {
      readers.push_back(start(options, gate, "read", folder, 100 * i, load.reader_pause));
    }
    std::vector<ChildProcess> writers;
    if (load.with_writer) writers.push_back(start(options, gate, "write", folder, 0, load.writer_pause));
    std::this_thread::sleep_for(200ms);
    gate.open();
    std::vector<double> reads, writes;
    for (ChildProcess& reader : readers) {
      for (const double time : Json::parse(reader.finish()).get<std::vector<double>>()) reads.push_back(time / 1000);
    }
    for (ChildProcess& writer : writers) {
      for (const double time : Json::parse(writer.finish()).get<std::vector<double>>()) writes.push_back(time / 1000);
    }
    const auto add = [&](const std::string& who, const std::vector<double>& times) {
      const Spread spread = spread_of(times);
      const std::string what = fmt::format("{} readers {}: {}", options.readers, load.name, who);
      report.add(what + ", median", spread.median, "ms");
      report.add(what + ", 99 of 100 below", spread.high, "ms");
      report.add(what + ", longest", spread.most, "ms");
      report.add(what + ", how many", static_cast<double>(times.size()), "calls");
    };
    add("a look-up in the store", reads);
    if (load.with_writer) add("a write", writes);
  }
}

void measure_storm(const Options& options, HostReport& report) {
  for (const bool single_flight : {true, false}) {
    const TemporaryFolder folder;
    Gate gate;
    std::vector<ChildProcess> children;
    for (int i = 0; i < options.processes; ++i) {
      children.push_back(start(options, gate, single_flight ? "storm" : "storm-each-for-itself", folder.path(), i));
    }
    std::this_thread::sleep_for(500ms);
    const auto begin = Clock::now();
    gate.open();
    int compiles = 0;
    for (ChildProcess& child : children) compiles += Json::parse(child.finish()).get<int>();
    const double seconds = microseconds_since(begin) / 1e6;
    const std::string what = fmt::format(
        "{} processes of {} threads start cold, {} kernels of {} ms CPU time each, {} single-flight: ",
        options.processes, options.threads, options.kernels, options.compile_ms, single_flight ? "with" : "without");
    report.add(what + "compiles in all", compiles, "compiles");
    report.add(what + "until the last has its kernels", seconds, "s");
  }
}

int run_parent(const Options& options, HostReport& report) {
  measure_tiers(report);
  {
    const TemporaryFolder folder;
    fill_store(folder.path(), options.entries);
    measure_large_store(options, folder.path(), report);
    measure_readers(options, folder.path(), report);
  }
  measure_storm(options, report);
  return report.write();
}

}  // namespace
}  // namespace attnjit::bench

int main(int argc, char** argv) try {
  CLI::App app("Times the kernel cache by itself: no GPU, no compiler.");
  attnjit::bench::HostReport report(app, argc, argv);
  attnjit::bench::Options options;
  app.add_option("--entries", options.entries, "kernels in the large store")
      ->capture_default_str()
      ->check(CLI::Range(2, 1'000'000));
  app.add_option("--readers", options.readers, "processes that read beside a writer")->capture_default_str();
  app.add_option("--processes", options.processes, "processes that start cold")->capture_default_str();
  app.add_option("--threads", options.threads, "threads of each of them")->capture_default_str();
  app.add_option("--kernels", options.kernels, "kernels that all of them want")->capture_default_str();
  app.add_option("--compile-ms", options.compile_ms, "CPU time of a compile")->capture_default_str();
  // Hidden: how the parent starts its children.
  app.add_option("--child", options.child)->group("");
  app.add_option("--folder", options.folder)->group("");
  app.add_option("--number", options.number)->group("");
  long pause_us = 0;
  app.add_option("--pause-us", pause_us)->group("");
  CLI11_PARSE(app, argc, argv);
  options.pause = std::chrono::microseconds(pause_us);
  return options.child.empty() ? attnjit::bench::run_parent(options, report) : attnjit::bench::run_child(options);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
