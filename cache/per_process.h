// A value per process: a forked child gets a fresh one and leaves its parent's alone.
//
// A child inherits a mutex, a database connection or a table of running compiles as a snapshot of work that goes on
// elsewhere: a thread the child does not have may hold the mutex, and the connection's locks belong to the parent. So
// the child makes its own and never touches, closes or frees the inherited one. The leak is deliberate: sqlite3_close
// in a child rolls back the parent's work and deletes its journal.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "process/fork.h"

namespace attnjit::cache {

template <class T>
class PerProcess {
 public:
  using Make = std::function<std::unique_ptr<T>()>;

  explicit PerProcess(Make make) : make_(std::move(make)), node_(new Node{process::own_id(), make_()}) {}
  ~PerProcess() {
    Node* node = node_.load();
    if (node->process == process::own_id()) delete node;
  }
  PerProcess(const PerProcess&) = delete;
  PerProcess& operator=(const PerProcess&) = delete;

  T& get() {
    Node* node = node_.load(std::memory_order_acquire);
    if (node->process == process::own_id()) return *node->value;
    // No mutex: one guarding this would itself be inherited. Threads of the child race; one wins.
    auto fresh = std::make_unique<Node>(Node{process::own_id(), make_()});
    if (node_.compare_exchange_strong(node, fresh.get(), std::memory_order_acq_rel)) node = fresh.release();
    return *node->value;
  }

 private:
  struct Node {
    std::uint32_t process;
    std::unique_ptr<T> value;
  };
  Make make_;
  std::atomic<Node*> node_;
};

}  // namespace attnjit::cache
