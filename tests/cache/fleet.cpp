#include "tests/cache/fleet.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <regex>

#include "cache/store.h"
#include "tests/cache/fleet_process.h"
#include "tests/cache/storm.h"
#include "tests/cache/support.h"

namespace attnjit::cache {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kLifetime = 1500;  // s; SIGALRM ends a process that lives longer
constexpr auto kMostToEnd = 30s;

/// Removes numbers and names, which differ between processes.
std::string kind_of(const std::string& warning) {
  static const std::regex differs("/[^ :;,]*/|[0-9]+(\\.[0-9]+)?|\\{[^}]*\\}");
  return std::regex_replace(warning, differs, "#");
}

}  // namespace

struct Fleet::Impl {
  struct Child {
    pid_t process = 0;
    int slot = 0;
    std::int64_t resume_at = 0;  // 0: it is running
    bool told = false;           // a request that takes too long was reported
  };

  explicit Impl(FleetOptions given) : options(std::move(given)), random(options.seed) {
    void* memory = ::mmap(nullptr, sizeof(FleetShared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || ::pipe2(pipe, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category());
    shared = new (memory) FleetShared;
    ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
    ::fcntl(pipe[1], F_SETPIPE_SZ, 1 << 20);
    {
      Store store(options.directory);
      for (int number = 0; number < options.known; ++number) {
        const Entry entry = sample_entry(number, kNewCompiler, options.image_bytes);
        store.put(entry);
        result.committed[number] = sha256({reinterpret_cast<const char*>(entry.image.data()), entry.image.size()});
      }
    }
    shared->front = options.known;
    for (int slot = 0; slot < options.processes; ++slot) start(slot);
  }

  ~Impl() {
    for (const Child& child : children) {
      ::kill(child.process, SIGKILL);
      wait_for(child.process);
    }
    ::munmap(shared, sizeof(FleetShared));
    ::close(pipe[0]);
    ::close(pipe[1]);
  }

  void start(int slot) {
    for (auto& began : shared->slots[slot].began) began = 0;
    // The same kind of process again.
    const int index = slot + options.processes * started[slot]++;
    children.push_back(
        {start_child([&, slot, index] { return run_fleet_process(options, *shared, pipe[1], slot, index); }, kLifetime),
         slot});
  }

  void look_after() {
    const std::int64_t now = clock_now();
    for (Child& child : children) {
      if (child.resume_at && now >= child.resume_at) resume(child);
      watch(child);
    }
    std::vector<int> ended;
    std::erase_if(children, [&](const Child& child) {
      int status = 0;
      if (::waitpid(child.process, &status, WNOHANG) == 0) return false;
      if (!shared->stop || status != 0) fault(fmt::format("a process ended with wait status {:#x}", status));
      if (!shared->stop) ended.push_back(child.slot);
      return true;
    });
    for (const int slot : ended) start(slot);
  }

  /// A process cannot report a request that never ends.
  void watch(Child& child) {
    const FleetSlot& slot = shared->slots[child.slot];
    for (const auto& began : slot.began) {
      const std::int64_t since = began;
      const std::int64_t took = slot.net_now() - since;
      if (since == 0 || child.told || took < std::chrono::nanoseconds(kMostPerRequest).count()) continue;
      child.told = true;
      fault(fmt::format("process {} has been in one request for {:.1f} s", child.process,
                        1e-9 * static_cast<double>(took)));
    }
  }

  void resume(Child& child) {
    FleetSlot& slot = shared->slots[child.slot];
    slot.stopped += clock_now() - slot.stop_began;
    slot.stop_began = 0;
    child.resume_at = 0;
    ::kill(child.process, SIGCONT);
  }

  /// Reads what is in the pipe, after a short wait for it.
  void listen(std::chrono::milliseconds patience) {
    pollfd end{pipe[0], POLLIN, 0};
    if (::poll(&end, 1, static_cast<int>(patience.count())) <= 0) return;
    for (FleetRecord record; ::read(pipe[0], &record, sizeof record) == static_cast<ssize_t>(sizeof record);)
      take(record);
  }

  void take(const FleetRecord& record) {
    switch (record.kind) {
      case FleetRecord::kBegun: compiling = record.process; return;
      case FleetRecord::kCommitted:
        if (record.since < committed_since) return;
        std::memcpy(result.committed[record.number].bytes.data(), record.digest, sizeof record.digest);
        return;
      case FleetRecord::kWarned:
        ++result.warnings;
        ++result.warned[kind_of(record.text)];
        return;
      case FleetRecord::kFault: fault(record.text); return;
    }
  }

  void fault(const std::string& text) {
    if (result.faults.size() < 20) result.faults.push_back(text);
  }

  FleetOptions options;
  std::minstd_rand random;
  FleetShared* shared = nullptr;
  int pipe[2];
  std::map<int, int> started;  // by slot
  pid_t compiling = 0;         // the last one that began to compile
  std::vector<Child> children;
  std::int64_t committed_since = 0;
  FleetResult result;
};

Fleet::Fleet(FleetOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Fleet::~Fleet() = default;

void Fleet::work(std::chrono::milliseconds time) {
  const std::int64_t until = clock_now() + std::chrono::nanoseconds(time).count();
  do {
    impl_->listen(2ms);
    impl_->look_after();
  } while (clock_now() < until);
}

void Fleet::kill_one() {
  auto& children = impl_->children;
  // Every other strike aims at the process that last began to compile, and hits it while it compiles or writes to the
  // store.
  auto which = std::find_if(children.begin(), children.end(),
                            [&](const Impl::Child& child) { return child.process == impl_->compiling; });
  if (which == children.end() || impl_->random() % 2 == 0) {
    which = children.begin() + static_cast<std::ptrdiff_t>(impl_->random() % children.size());
  }
  Impl::Child victim = *which;
  children.erase(which);
  ::kill(victim.process, SIGKILL);
  if (const int status = wait_for(victim.process); status != 1000 + SIGKILL) {
    impl_->fault(fmt::format("a process that was to be killed had ended with {}", status));
  }
  if (victim.resume_at) impl_->resume(victim);  // its slot is used again; the process is gone
  ++impl_->result.kills;
  impl_->start(victim.slot);
}

void Fleet::stop_one(std::chrono::milliseconds time) {
  auto& children = impl_->children;
  const auto running = [](const Impl::Child& child) { return child.resume_at == 0; };
  if (std::count_if(children.begin(), children.end(), running) * 2 < static_cast<std::ptrdiff_t>(children.size()))
    return;
  auto which = std::find_if(children.begin(), children.end(),
                            [&](const Impl::Child& child) { return child.process == impl_->compiling; });
  if (which == children.end() || !running(*which) || impl_->random() % 2 == 0) {
    do {
      which = children.begin() + static_cast<std::ptrdiff_t>(impl_->random() % children.size());
    } while (!running(*which));
  }
  const std::int64_t now = clock_now();
  impl_->shared->slots[which->slot].stop_began = now;
  which->resume_at = now + std::chrono::nanoseconds(time).count();
  ::kill(which->process, SIGSTOP);
  ++impl_->result.stops;
}

void Fleet::forget_committed(bool but_known) {
  impl_->listen(0ms);
  impl_->committed_since = clock_now();
  std::erase_if(impl_->result.committed,
                [&](const auto& one) { return !but_known || one.first >= impl_->options.known; });
}

std::size_t Fleet::committed() const { return impl_->result.committed.size(); }

FleetResult Fleet::finish() {
  Impl& impl = *impl_;
  impl.shared->stop = 1;
  for (Impl::Child& child : impl.children) {
    if (child.resume_at) impl.resume(child);
  }
  const std::int64_t until = clock_now() + std::chrono::nanoseconds(kMostToEnd).count();
  while (!impl.children.empty() && clock_now() < until) {
    impl.listen(2ms);
    impl.look_after();
  }
  if (!impl.children.empty()) impl.fault(fmt::format("{} processes did not end", impl.children.size()));
  impl.listen(0ms);
  FleetResult result = std::move(impl.result);
  result.served = impl.shared->served;
  result.compiled = impl.shared->compiled;
  result.from_store = impl.shared->from_store;
  result.frozen_misses = impl.shared->frozen_misses;
  result.slowest = 1e-9 * static_cast<double>(impl.shared->slowest);
  if (!impl.children.empty()) return result;

  StormResult left;
  left.digests = result.committed;
  for (const auto& [number, digest] : result.committed) left.committed[number] = left.begun[number] = 1;
  StormOptions storm;
  storm.directory = impl.options.directory;
  for (const std::string& line : look_after_storm(storm, left)) result.faults.push_back(line);
  return result;
}

unsigned storm_seed(unsigned otherwise) {
  const char* const wanted = std::getenv("ATTNJIT_STORM_SEED");
  const unsigned seed = wanted ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : otherwise;
  fmt::print("seed {} (ATTNJIT_STORM_SEED sets another)\n", seed);
  return seed;
}

std::string to_string(const FleetResult& result) {
  return fmt::format(
      "{} requests ({} compiled, {} from the store), slowest {:.2f} s, {} misses in freeze mode, {} kernels kept, {} "
      "kills, {} stops, {} warnings, {} faults",
      result.served, result.compiled, result.from_store, result.slowest, result.frozen_misses, result.committed.size(),
      result.kills, result.stops, result.warnings, result.faults.size());
}

}  // namespace attnjit::cache
