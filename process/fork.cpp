#include "process/fork.h"

#include <pthread.h>
#include <unistd.h>

namespace attnjit::process {
namespace {

constexpr int kGenerationShift = 22;  // process ids are below 2^22
std::atomic<std::uint32_t> forks_survived{0};
std::atomic<std::uint64_t> begun{0};

/// Descriptors that a child closes. Slots are never freed: a fork may read them at any time.
struct Slots {
  static constexpr int kCount = 64;
  std::atomic<int> descriptors[kCount] = {};  // descriptor + 1; 0: free
  std::atomic<Slots*> next{nullptr};
};
constinit Slots watched;

void unwatch(int descriptor) {
  for (Slots* slots = &watched; slots != nullptr; slots = slots->next.load()) {
    for (std::atomic<int>& slot : slots->descriptors) {
      int taken = descriptor + 1;
      if (slot.compare_exchange_strong(taken, 0)) return;
    }
  }
}

void before_fork() { begun.fetch_add(1); }

thread_local constinit Stay* innermost = nullptr;

void in_child() {
  forks_survived.fetch_add(1);
  Stay::keep_own();
  for (Slots* slots = &watched; slots != nullptr; slots = slots->next.load()) {
    for (std::atomic<int>& slot : slots->descriptors) {
      if (const int taken = slot.exchange(0); taken != 0) ::close(taken - 1);
    }
  }
}

/// At library load, before anything could be interrupted by a fork.
[[maybe_unused]] const int registered = ::pthread_atfork(before_fork, nullptr, in_child);

constexpr std::uint64_t kForkedAmidst = std::uint64_t{1} << 31;
constexpr std::uint64_t kCount = kForkedAmidst - 1;
std::uint64_t own_word() { return std::uint64_t{own_id()} << 32; }
std::uint64_t id_of(std::uint64_t word) { return word >> 32 << 32; }

}  // namespace

std::uint32_t generation() { return forks_survived.load(std::memory_order_relaxed); }

std::uint32_t own_id() { return static_cast<std::uint32_t>(::getpid()) ^ generation() << kGenerationShift; }

bool Occupancy::enter() {
  const std::uint64_t own = own_word();
  std::uint64_t seen = word_.load();
  std::uint64_t next;
  do {
    const bool inherited = id_of(seen) != own;
    const bool amidst = (seen & kForkedAmidst) || (inherited && (seen & kCount));
    next = amidst ? own | kForkedAmidst : inherited ? own + 1 : seen + 1;
  } while (!word_.compare_exchange_weak(seen, next));
  return !(next & kForkedAmidst);
}

void Occupancy::leave() {
  // A thread that forks while inside leaves in both processes but is counted in only one.
  if (id_of(word_.load()) == own_word() && (word_.load() & kCount)) --word_;
}

bool Occupancy::forked_amidst() const {
  const std::uint64_t seen = word_.load();
  return (seen & kForkedAmidst) || (id_of(seen) != own_word() && (seen & kCount));
}

void Occupancy::keep_own(std::uint64_t own) {
  const std::uint64_t seen = word_.load();
  if (id_of(seen) == own_word()) return;  // already done for an inner stay of the thread
  const bool amidst = (seen & kForkedAmidst) || (seen & kCount) > own;
  word_ = own_word() | (amidst ? kForkedAmidst : own);
}

Stay::Stay(Occupancy& place) : place_(place), entered_(place.enter()), outer_(innermost) { innermost = this; }

Stay::~Stay() {
  innermost = outer_;
  if (entered_) place_.leave();
}

void Stay::keep_own() {
  for (const Stay* stay = innermost; stay != nullptr; stay = stay->outer_) {
    std::uint64_t own = 0;
    for (const Stay* other = stay; other != nullptr; other = other->outer_) {
      own += other->entered_ && &other->place_ == &stay->place_;
    }
    stay->place_.keep_own(own);
  }
}

std::uint64_t forks_begun() { return begun.load(); }

void close_in_children(int descriptor) {
  for (Slots* slots = &watched;;) {
    for (std::atomic<int>& slot : slots->descriptors) {
      int free = 0;
      if (slot.load(std::memory_order_relaxed) == 0 && slot.compare_exchange_strong(free, descriptor + 1)) return;
    }
    Slots* next = slots->next.load();
    if (next == nullptr) {
      auto* const fresh = new Slots;
      if (slots->next.compare_exchange_strong(next, fresh)) {
        next = fresh;
      } else {
        delete fresh;
      }
    }
    slots = next;
  }
}

void close_if_own(int descriptor, std::uint32_t owner) {
  if (owner != own_id()) return;
  unwatch(descriptor);  // first: once closed, the number may be reused for another file
  ::close(descriptor);
}

}  // namespace attnjit::process
