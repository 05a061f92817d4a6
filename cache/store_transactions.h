// Transactions of a store: one at a time per process, repaired and rerun if the file proves damaged, and waiting only
// where it makes sense. Internal to cache/.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cache/per_process.h"
#include "cache/store.h"
#include "cache/store_file.h"
#include "cache/use_stamps.h"

namespace attnjit::cache {

/// One process's state of the store.
struct Session {
  std::timed_mutex mutex;
  std::vector<std::string> reports;
  StoreFile file;
  UseStamps uses;  // has its own mutex

  explicit Session(const std::filesystem::path& path) : file(path, reports) {}
};

enum class OnDamage { kRepair, kThrow };
/// kAsReader: at most Patience::read, since there is another way to read.
enum class Wait { kAsRequest, kAsReader };

class StoreTransactions {
 public:
  /// `on_repair` and `counters` must outlive this.
  StoreTransactions(std::filesystem::path path, const std::function<void(const std::string&)>& on_repair,
                    StoreCounters& counters, Patience patience)
      : path_(std::move(path)), on_repair_(on_repair), counters_(counters), patience_(patience), sessions_([this] {
          return std::make_unique<Session>(path_);
        }) {}

  const std::filesystem::path& path() const { return path_; }
  const Patience& patience() const { return patience_; }
  /// For callers that are a request of their own.
  WaitBudget budget() const { return WaitBudget(patience_.request); }
  Session& session() { return sessions_.get(); }

  /// Runs body(file) in a transaction. If the file proves damaged, it is replaced and the body runs once more on the
  /// new contents. Throws StoreError, which means busy if the locks are not available within the budget, or within what
  /// earlier waits leave of it.
  template <class Body>
  auto run(Access access, WaitBudget& budget, const Body& body, Wait wait = Wait::kAsRequest,
           OnDamage on_damage = OnDamage::kRepair) {
    auto most = lock_.advise(budget.left());
    if (wait == Wait::kAsReader) most = std::min(most, short_lock_.advise(patience_.read));
    WaitBudget advised(most);
    try {
      auto result = transact(access, advised, body, on_damage);
      budget.spend(most - advised.left());
      lock_.got_in();
      short_lock_.got_in();
      return result;
    } catch (const StoreError& error) {
      budget.spend(most - advised.left());
      if (error.means_busy()) note_vain_wait(wait, most);
      throw;
    }
  }
  /// For callers that are a request of their own.
  template <class Body>
  auto run(Access access, const Body& body, Wait wait = Wait::kAsRequest, OnDamage on_damage = OnDamage::kRepair) {
    WaitBudget own = budget();
    return run(access, own, body, wait, on_damage);
  }

 private:
  void note_vain_wait(Wait wait, WaitBudget::Clock::duration waited) {
    if (wait == Wait::kAsReader) {
      short_lock_.in_vain();
    } else if (waited >= patience_.request / 2 || (lock_.remembers() && waited > waited.zero())) {
      lock_.in_vain();  // a request with little patience left says nothing about the lock
    }
  }

  template <class Body>
  auto transact(Access access, WaitBudget& budget, const Body& body, OnDamage on_damage) {
    SqliteStay::check();  // before waiting for anything
    Session& session = sessions_.get();
    Reporter reporter{*this, {}};  // before the lock: its destructor runs after the unlock
    const std::unique_lock guard = lock(session, budget);
    const Harvest harvest{session, reporter};
    session.file.wait_by(budget);
    bool whole = true;
    try {
      return attempt(session, access, body);
    } catch (const SqliteError& error) {
      if (on_damage == OnDamage::kThrow || !error.calls_for_a_look()) throw;
      whole = error.means_damage();
    }
    session.file.repair(whole);
    return attempt(session, access, body);
  }

  /// Another thread may hold this while waiting for the file's lock, for as long as its own patience lasts.
  static std::unique_lock<std::timed_mutex> lock(Session& session, WaitBudget& budget) {
    std::unique_lock guard(session.mutex, std::try_to_lock);
    if (guard) return guard;
    const auto start = WaitBudget::Clock::now();
#ifdef __SANITIZE_THREAD__  // GCC 12's does not know the call for waiting on the steady clock
    const bool got_in = guard.try_lock_until(std::chrono::system_clock::now() + budget.left());
#else
    const bool got_in = guard.try_lock_for(budget.left());
#endif
    budget.spend_since(start);
    if (!got_in) throw StoreBusy("another thread of this process is at the cache file and does not get on");
    return guard;
  }

  template <class Body>
  static auto attempt(Session& session, Access access, const Body& body) {
    Transaction transaction(session.file, access);
    auto result = body(session.file);
    transaction.commit();
    return result;
  }

  /// Delivers repair reports with no lock held.
  struct Reporter {
    StoreTransactions& store;
    std::vector<std::string> reports;
    ~Reporter() {
      store.counters_.bad_files += static_cast<std::int64_t>(reports.size());
      if (!store.on_repair_) return;
      for (const std::string& report : reports) store.on_repair_(report);
    }
  };

  struct Harvest {
    Session& session;
    Reporter& reporter;
    ~Harvest() { reporter.reports.swap(session.reports); }
  };

  const std::filesystem::path path_;
  const std::function<void(const std::string&)>& on_repair_;
  StoreCounters& counters_;
  const Patience patience_;
  VainWait lock_, short_lock_;  // for waits of a request's length and of a reader's
  PerProcess<Session> sessions_;
};

}  // namespace attnjit::cache
