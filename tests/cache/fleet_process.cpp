#include "tests/cache/fleet_process.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <random>
#include <stdexcept>
#include <thread>
#include <utility>

#include "cache/kernel_cache.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;

constexpr int kRequestsOfACache = 40;  // then a new cache is created, which knows nothing

enum class Role { kWarm, kCold, kThreads, kFrozen };

struct FrozenMiss : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Where a cache's time went.
struct Costs {
  std::int64_t read, write, wait, compile;
  explicit Costs(const Counters& counters)
      : read(counters.store_read_nanoseconds),
        write(counters.store_write_nanoseconds),
        wait(counters.wait_nanoseconds),
        compile(counters.compile_nanoseconds) {}
  std::string since(const Costs& before) const {
    const auto seconds = [](std::int64_t now, std::int64_t then) { return 1e-9 * static_cast<double>(now - then); };
    return fmt::format(
        " (all threads, stops not left out: reads {:.1f} s, writes {:.1f} s, waits {:.1f} s, compiles {:.1f} s)",
        seconds(read, before.read), seconds(write, before.write), seconds(wait, before.wait),
        seconds(compile, before.compile));
  }
};

class Process {
 public:
  Process(const FleetOptions& options, FleetShared& shared, int pipe, int slot, int index)
      : options_(options),
        shared_(shared),
        slot_(shared.slots[slot]),
        pipe_(pipe),
        role_(static_cast<Role>(index % 4)),
        seed_(options.seed * 7919 + static_cast<unsigned>(index)) {}

  int run() {
    std::minstd_rand random(seed_);
    while (!shared_.stop) {
      KernelCacheOptions cache_options;
      cache_options.location.directory = options_.directory;
      cache_options.open_pause = options_.open_pause;
      cache_options.warn = [this](const std::string& text) { tell(FleetRecord::kWarned, text); };
      std::unique_ptr<KernelCache> cache;
      timed(0, "opening", [&] { cache = std::make_unique<KernelCache>(std::move(cache_options)); });
      const int threads = role_ == Role::kThreads ? kMostThreads : 1;
      const int rounds = kRequestsOfACache / 2 + static_cast<int>(random() % kRequestsOfACache);
      std::vector<std::thread> others;
      for (int t = 1; t < threads; ++t) others.emplace_back([&, t, seed = random()] { want(*cache, t, rounds, seed); });
      want(*cache, 0, rounds, random());
      for (std::thread& thread : others) thread.join();
      timed(0, "closing", [&] { cache.reset(); });
    }
    return 0;
  }

 private:
  void want(KernelCache& cache, int thread, int rounds, std::minstd_rand::result_type seed) {
    std::minstd_rand random(seed);
    for (int round = 0; round < rounds && !shared_.stop; ++round) {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % (1 + 1000 * options_.pause.count())));
      get(cache, thread, choose(random));
    }
  }

  int choose(std::minstd_rand& random) {
    if (role_ == Role::kFrozen) return static_cast<int>(random() % static_cast<unsigned>(options_.known));
    const bool makes_new = role_ == Role::kCold || role_ == Role::kThreads;
    if (makes_new && random() % 8 == 0) return shared_.front++;
    const unsigned front = static_cast<unsigned>(shared_.front.load());
    // Half of the requests are for the newest kernels, which several processes want at once.
    if (makes_new && random() % 2 == 0) return static_cast<int>(front - 1 - random() % 4);
    return static_cast<int>(random() % front);
  }

  void get(KernelCache& cache, int thread, int number) {
    const std::int64_t since = clock_now();
    const std::int64_t failures = cache.counters().store_failures;
    const bool has_store = std::as_const(cache).store() != nullptr;
    KernelCache::Request request{sample_fields(number), {}, false};
    if (role_ == Role::kFrozen)
      request.on_miss = [](const std::string& trouble) -> MissDecision { throw FrozenMiss(trouble); };
    Found found;
    const Costs before(cache.counters());
    timed(
        thread, "kernel",
        [&] {
          try {
            found = cache.get(request, [&] { return compile(number); });
          } catch (const FrozenMiss& miss) {
            ++shared_.frozen_misses;
            // If the store cannot be read, a reason is the most that one can get.
            if (miss.what()[0] == '\0' && !options_.may_lose) fault(fmt::format("kernel {} was lost", number));
          } catch (const std::exception& error) {
            fault(fmt::format("kernel {}: {}", number, error.what()));
          }
        },
        [&] { return Costs(cache.counters()).since(before); });
    if (!found.entry) return;
    ++shared_.served;
    if (found.tier == Tier::kStore || found.tier == Tier::kWaited) ++shared_.from_store;
    if (found.entry->image != sample_entry(number, kNewCompiler, options_.image_bytes).image ||
        found.entry->fields != request.fields) {
      fault(fmt::format("kernel {} has wrong bytes", number));
    }
    if (found.tier != Tier::kCompiled) return;
    ++shared_.compiled;
    // Other threads' failures count too: a kernel is reported only if it was kept for certain.
    if (cache.counters().store_failures != failures || !has_store) return;
    FleetRecord record{FleetRecord::kCommitted, number, ::getpid(), since};
    const Digest digest = sha256({reinterpret_cast<const char*>(found.entry->image.data()), found.entry->image.size()});
    std::memcpy(record.digest, digest.bytes.data(), sizeof record.digest);
    send(record);
  }

  Entry compile(int number) {
    send({FleetRecord::kBegun, number, ::getpid()});
    const auto until = clock_now() + std::chrono::nanoseconds(options_.compile_time).count() / 4;
    while (clock_now() < until) {  // lets others see that it makes progress
    }
    std::this_thread::sleep_for(options_.compile_time * 3 / 4);
    return sample_entry(number, kNewCompiler, options_.image_bytes);
  }

  template <class Body>
  void timed(int thread, const char* what, const Body& body, const std::function<std::string()>& detail = {}) {
    const std::int64_t began = slot_.net_now();
    slot_.began[thread] = began;
    body();
    const std::int64_t took = slot_.net_now() - began;
    slot_.began[thread] = 0;
    std::int64_t slowest = shared_.slowest;
    while (took > slowest && !shared_.slowest.compare_exchange_weak(slowest, took)) {
    }
    if (took > std::chrono::nanoseconds(kMostPerRequest).count())
      fault(fmt::format("{} took {:.1f} s{}", what, 1e-9 * static_cast<double>(took), detail ? detail() : ""));
  }

  void fault(const std::string& text) { tell(FleetRecord::kFault, text); }
  void tell(FleetRecord::Kind kind, const std::string& text) {
    FleetRecord record{kind, 0, ::getpid()};
    text.copy(record.text, sizeof record.text - 1);
    send(record);
  }
  void send(const FleetRecord& record) {
    while (::write(pipe_, &record, sizeof record) != static_cast<ssize_t>(sizeof record)) {
      if (errno != EINTR) std::abort();
    }
  }

  const FleetOptions& options_;
  FleetShared& shared_;
  FleetSlot& slot_;
  const int pipe_;
  const Role role_;
  const unsigned seed_;
};

}  // namespace

int run_fleet_process(const FleetOptions& options, FleetShared& shared, int pipe, int slot, int index) {
  if (options.at_start) options.at_start(index);
  return Process(options, shared, pipe, slot, index).run();
}

}  // namespace attnjit::cache
