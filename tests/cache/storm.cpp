#include "tests/cache/storm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>

#include "cache/kernel_cache.h"
#include "cache/key_lock.h"
#include "cache/ofd_lock.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kNoHang = 60s;        // of one request; the storm's own take well under a second
constexpr auto kLockTimeout = 120s;  // longer than kNoHang: a lost lock must show, not be worked around by a compile
constexpr unsigned kLifetime = 600;  // s; SIGALRM ends a process that lives longer

/// A message from a process to the parent. Smaller than PIPE_BUF, so records of several writers do not mix.
struct Record {
  enum Kind : int { kBegun, kCommitted, kFault } kind;
  int number = 0;
  pid_t process = 0;
  unsigned char digest[32] = {};  // of the image, with kCommitted
  char text[200] = {};            // with kFault
};
static_assert(sizeof(Record) <= 512, "PIPE_BUF may be as small as 512");

/// Shared by all processes.
struct Shared {
  std::atomic<int> open{0};   // the gate: all start together
  std::atomic<int> stop{0};   // set after the last strike
  std::atomic<int> front{0};  // how far the first process has come
  std::atomic<std::int64_t> served{0};
};

class Process {
 public:
  Process(const StormOptions& options, Shared& shared, int pipe, int index)
      : options_(options), shared_(shared), pipe_(pipe), index_(index) {}

  int run() {
    while (!shared_.open) std::this_thread::sleep_for(1ms);
    KernelCacheOptions cache_options;
    cache_options.location.directory = options_.directory;
    cache_options.lock_timeout = kLockTimeout;
    cache_options.warn = [this](const std::string& text) { fault("warned: " + text); };
    {
      KernelCache cache(std::move(cache_options));
      std::vector<std::thread> threads;
      for (int t = 0; t < options_.threads; ++t) threads.emplace_back([&, t] { want(cache, t); });
      for (std::thread& thread : threads) thread.join();
      const Counters& counters = cache.counters();
      if (counters.store_failures + counters.repairs + counters.compile_failures != 0) {
        fault(fmt::format("counted {} failures of the store, {} repairs", counters.store_failures.load(),
                          counters.repairs.load()));
      }
    }
    return 0;
  }

 private:
  void want(KernelCache& cache, int thread) {
    const int first = index_ + thread;
    if (options_.strikes == 0) {
      for (int i = 0; i < options_.kernels; ++i) get(cache, (first + i) % options_.kernels);
      return;
    }
    // Each thread has its own kernels within its process, and shares them with one thread of every other process.
    const int lane = first % options_.threads;
    for (int step = std::max(0, shared_.front - 2); !shared_.stop; ++step) {
      int front = shared_.front;
      while (step > front && !shared_.front.compare_exchange_weak(front, step)) {
      }
      get(cache, step * options_.threads + lane);
    }
  }

  void get(KernelCache& cache, int number) {
    const auto start = Clock::now();
    try {
      const Found found = cache.get({sample_fields(number), {}, false}, [&] { return compile(number); });
      if (found.entry->image != sample_entry(number, kNewCompiler, options_.image_bytes).image) {
        fault(fmt::format("kernel {} has wrong bytes", number));
      }
      if (found.tier == Tier::kCompiled) {
        Record record{Record::kCommitted, number, ::getpid()};
        const Digest digest =
            sha256({reinterpret_cast<const char*>(found.entry->image.data()), found.entry->image.size()});
        std::memcpy(record.digest, digest.bytes.data(), sizeof record.digest);
        send(record);
      }
    } catch (const std::exception& error) {
      fault(fmt::format("kernel {}: {}", number, error.what()));
    }
    ++shared_.served;
    if (Clock::now() - start > kNoHang) fault(fmt::format("kernel {} took more than a minute", number));
  }

  Entry compile(int number) {
    send({Record::kBegun, number, ::getpid()});
    std::this_thread::sleep_for(options_.compile_time);
    return sample_entry(number, kNewCompiler, options_.image_bytes);
  }

  void fault(const std::string& text) {
    Record record{Record::kFault};
    text.copy(record.text, sizeof record.text - 1);
    send(record);
  }
  void send(const Record& record) {
    if (::write(pipe_, &record, sizeof record) != static_cast<ssize_t>(sizeof record)) std::abort();
  }

  const StormOptions& options_;
  Shared& shared_;
  const int pipe_;
  const int index_;
};

class Parent {
 public:
  explicit Parent(const StormOptions& options) : options_(options), random_(options.seed) {
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || ::pipe2(pipe_, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
    shared_ = new (memory) Shared;
    ::fcntl(pipe_[0], F_SETFL, O_NONBLOCK);
  }

  StormResult run() {
    for (int i = 0; i < options_.processes; ++i) start_one();
    const auto start = Clock::now();
    shared_->open = 1;
    for (int strike = 0; strike < options_.strikes; ++strike) {
      // Often enough that several processes die before the damage of the first is found. Keep reading, or the pipe
      // fills up.
      const auto next = Clock::now() + std::chrono::microseconds(random_() % 30'000);
      while (Clock::now() < next) listen(1ms);
      kill_one();
      start_one();
    }
    // Gives the new processes some time.
    for (const auto end = Clock::now() + 50ms; options_.strikes && Clock::now() < end;) listen(1ms);
    shared_->stop = 1;
    while (!children_.empty()) {
      listen(2ms);
      reap();
    }
    listen(0ms);
    result_.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    result_.served = shared_->served;
    ::munmap(shared_, sizeof(Shared));
    ::close(pipe_[0]);
    ::close(pipe_[1]);
    return std::move(result_);
  }

 private:
  void start_one() {
    const int index = started_++;
    children_.push_back(
        start_child([&, index] { return Process(options_, *shared_, pipe_[1], index).run(); }, kLifetime));
  }

  void kill_one() {
    // Every other strike aims at the process that last began to compile, and hits it while it compiles or writes to the
    // store.
    auto which = std::find(children_.begin(), children_.end(), compiling_);
    if (which == children_.end() || random_() % 2 == 0) which = children_.begin() + random_() % children_.size();
    const pid_t victim = *which;
    children_.erase(which);
    ::kill(victim, SIGKILL);
    if (const int status = wait_for(victim); status != 1000 + SIGKILL) {
      result_.faults.push_back(fmt::format("a process that was to be killed had ended with {}", status));
    }
  }

  void reap() {
    std::erase_if(children_, [&](pid_t child) {
      int status = 0;
      if (::waitpid(child, &status, WNOHANG) == 0) return false;
      if (status != 0) result_.faults.push_back(fmt::format("a process ended with wait status {:#x}", status));
      return true;
    });
  }

  /// Reads what is in the pipe, after a short wait for it.
  void listen(std::chrono::milliseconds patience) {
    pollfd pipe{pipe_[0], POLLIN, 0};
    if (::poll(&pipe, 1, static_cast<int>(patience.count())) <= 0) return;
    for (Record record; ::read(pipe_[0], &record, sizeof record) == static_cast<ssize_t>(sizeof record);) take(record);
  }

  void take(const Record& record) {
    switch (record.kind) {
      case Record::kBegun:
        ++result_.begun[record.number];
        compiling_ = record.process;
        return;
      case Record::kCommitted: {
        ++result_.committed[record.number];
        auto& digest = result_.digests[record.number];
        std::memcpy(digest.bytes.data(), record.digest, sizeof record.digest);
        return;
      }
      case Record::kFault: result_.faults.emplace_back(record.text); return;
    }
  }

  const StormOptions& options_;
  std::minstd_rand random_;
  Shared* shared_ = nullptr;
  int pipe_[2];
  int started_ = 0;
  pid_t compiling_ = 0;  // the last one that began
  std::vector<pid_t> children_;
  StormResult result_;
};

}  // namespace

StormResult run_storm(const StormOptions& options) { return Parent(options).run(); }

std::vector<std::string> look_after_storm(const StormOptions& options, const StormResult& result) {
  std::vector<std::string> faults = result.faults;
  Store store(options.directory, [&](const std::string& report) { faults.push_back(report); });
  for (const auto& [number, times] : result.committed) {
    if (times > 1) faults.push_back(fmt::format("kernel {} was compiled and kept {} times", number, times));
    const std::optional<Entry> found = store.find(sample_fields(number), {});
    if (!found) {
      faults.push_back(fmt::format("kernel {} was committed and is lost", number));
    } else if (sha256({reinterpret_cast<const char*>(found->image.data()), found->image.size()}) !=
               result.digests.at(number)) {
      faults.push_back(fmt::format("kernel {} has other bytes than were committed", number));
    }
  }
  for (const std::string& line : store.verify()) faults.push_back(line);

  for (const auto& [number, times] : result.begun) {
    const KeyLock lock(options.directory / "compile.lock", sample_fields(number).key(), 0ms);
    if (lock.outcome() != KeyLock::Outcome::kHeld)
      faults.push_back(fmt::format("the lock of kernel {} is held", number));
  }
  const FileDescriptor side = open_lock_file(options.directory / "kernels-v1.lock");
  constexpr Pace kAtOnce{1us, 1us};
  if (lock_byte(side.number(), LockMode::kExclusive, 0, 0ms, kAtOnce) != LockResult::kHeld) {
    faults.push_back("the lock of the store is held");
  } else {
    unlock_byte(side.number(), 0);
  }
  for (const std::string& name : names_in(options.directory)) {
    if (name != "kernels-v1.sqlite" && name != "kernels-v1.lock" && name != "compile.lock") {
      faults.push_back(name + " was left behind");
    }
  }
  return faults;
}

}  // namespace attnjit::cache
