// What a Context does when a kernel would have to be compiled: in serving, 0.3 s of compiling is a request lost.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "attnjit/error.hpp"
#include "attnjit/export.h"

namespace attnjit {

/// Each policy includes telling ContextOptions::miss_callback.
enum class MissPolicy : int {
  kAllow = 0,  ///< compile
  kWarn = 1,   ///< log a warning, then compile
  kError = 2,  ///< throw MissError: nothing is compiled, and no other process's compile is waited for
};

/// Why a kernel would have to be compiled.
enum class MissReason : int {
  kAbsent = 0,           ///< it is neither in memory nor in the cache file, or there is no cache file
  kStoreUnreadable = 1,  ///< the cache file cannot be read now; it may have the kernel
  kCubinRefused = 2,     ///< the driver of this process refuses the one that the cache has
};

/// A kernel that an operator needs and that cannot be had without compiling.
struct Miss {
  std::string operator_config;  ///< JSON: {"operator":"mla_prefill","head_dim_qk":192,...}
  std::string kernel_config;    ///< JSON of what would be compiled for it
  std::string family;           ///< "sm80_mha_varlen"
  std::string arch;             ///< "sm_90a"
  std::string key;              ///< as `attnjit cache ls` shows it, 64 hexadecimal digits
  std::string command;          ///< the command line that compiles it into this Context's cache; "" where none helps
  MissPolicy policy = MissPolicy::kAllow;
  MissReason reason = MissReason::kAbsent;
  std::string why;  ///< the reason in words; "" for kAbsent
};

/// Called on the thread that makes an operator, before anything is compiled, with no lock held. What it throws is
/// thrown by the operator's constructor, in place of compiling. It may make operators, also the one that it is told of;
/// of what these miss it is not told. Threads that want the same kernel wait until it returns: it must not wait for
/// them. A thread must not end inside (pthread_exit).
using MissCallback = std::function<void(const Miss&)>;

/// A kernel was missing and MissPolicy::kError forbids to compile it.
class ATTNJIT_API MissError : public Error {
 public:
  MissError(const std::string& message, Miss miss) : Error(Status::kCacheMiss, message), miss_(std::move(miss)) {}
  const Miss& miss() const noexcept { return miss_; }

 private:
  Miss miss_;
};

}  // namespace attnjit
