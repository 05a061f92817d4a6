#include "process/exit.h"

#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>

#include "process/fork.h"

namespace attnjit::process {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kWaitForThreads{1};
/// Measured from the start of exit(). By then an engine's process is gone, or hangs for reasons of its own.
constexpr std::chrono::seconds kHoldThreads{10};

std::atomic<std::uint32_t> exits{0};  // own_id() of the process that exits; a child forked meanwhile does not exit
std::atomic<Clock::rep> exits_since{0};
/// own_id() and the number of threads inside; a parent's count is ignored.
std::atomic<std::uint64_t> inside{0};

thread_local constinit int stays = 0;
thread_local constinit bool calls_exit = false;

void add_inside(int change) {
  const std::uint64_t own = std::uint64_t{own_id()} << 32;
  std::uint64_t seen = inside.load();
  std::uint64_t next;
  do {
    const std::uint64_t count = seen >> 32 << 32 == own ? seen & 0xffffffff : 0;
    next = change > 0 ? own | (count + 1) : own | (count > 0 ? count - 1 : 0);
  } while (!inside.compare_exchange_weak(seen, next));
}

std::uint64_t others_inside() {
  const std::uint64_t seen = inside.load();
  if (seen >> 32 != own_id()) return 0;
  const std::uint64_t mine = stays > 0 ? 1 : 0;
  const std::uint64_t count = seen & 0xffffffff;
  return count > mine ? count - mine : 0;
}

bool exits_for(std::chrono::seconds duration) {
  return Clock::now().time_since_epoch() - Clock::duration(exits_since.load()) >= duration;
}

void pause_briefly() {
  const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
  ::nanosleep(&pause, nullptr);
}

void hold() {
  while (!exits_for(kHoldThreads)) pause_briefly();
}

void at_exit() {
  calls_exit = true;
  if (!exiting()) {
    exits_since = Clock::now().time_since_epoch().count();
    exits = own_id();
  }
  while (others_inside() > 0 && !exits_for(kWaitForThreads)) pause_briefly();
}

}  // namespace

void watch_exit() { std::atexit(at_exit); }

bool exiting() { return exits.load() == own_id(); }

LibraryStay::LibraryStay() {
  if (stays++ > 0) return;
  add_inside(+1);  // before the check: a thread the handler does not see sees that we exit
  if (!exiting() || calls_exit) return;
  end();
  hold();
}

LibraryStay::~LibraryStay() {
  if (entered_) end();
}

void LibraryStay::end() {
  entered_ = false;
  if (--stays == 0) add_inside(-1);
}

void LibraryStay::fails() {
  if (stays > 1) return;
  end();
  if (exiting() && !calls_exit) hold();
}

}  // namespace attnjit::process
