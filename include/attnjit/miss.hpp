// What a Context does when a kernel would have to be compiled. While serving, 0.3 s of compiling loses a request.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "attnjit/error.hpp"
#include "attnjit/export.h"

namespace attnjit {

/// Every policy also calls ContextOptions::miss_callback.
enum class MissPolicy : int {
  kAllow = 0,  ///< compile
  kWarn = 1,   ///< log a warning, then compile
  kError = 2,  ///< throw MissError; compile nothing, and do not wait for another process's compile
};

/// Why a kernel would have to be compiled.
enum class MissReason : int {
  kAbsent = 0,           ///< neither in memory nor in the cache file, or there is no cache file
  kStoreUnreadable = 1,  ///< the cache file cannot be read now; it may contain the kernel
  kCubinRefused = 2,     ///< this process's driver rejects the cached one
};

/// A kernel that an operator needs and that is not available without compiling.
struct Miss {
  std::string operator_config;  ///< JSON: {"operator":"mla_prefill","head_dim_qk":192,...}
  std::string kernel_config;    ///< JSON of what would be compiled for it
  std::string family;           ///< "sm80_mha_varlen"
  std::string arch;             ///< "sm_90a"
  std::string key;              ///< as in `attnjit cache ls --json`, 64 hexadecimal digits
  std::string command;          ///< command line that compiles it into this Context's cache; "" if none would help
  MissPolicy policy = MissPolicy::kAllow;
  MissReason reason = MissReason::kAbsent;
  std::string why;  ///< the reason in words; "" for kAbsent
};

/// Called on the thread that constructs an operator, before anything is compiled, with no lock held. If it throws, the
/// operator's constructor throws the same instead of compiling. It may construct operators, including the one being
/// reported; their misses are not reported. Threads that want the same kernel wait until it returns, so it must not
/// wait for them. The thread must not exit inside it (pthread_exit).
using MissCallback = std::function<void(const Miss&)>;

/// A kernel was missing and MissPolicy::kError forbids compiling it.
class ATTNJIT_API MissError : public Error {
 public:
  MissError(const std::string& message, Miss miss) : Error(Status::kCacheMiss, message), miss_(std::move(miss)) {}
  const Miss& miss() const noexcept { return miss_; }

 private:
  Miss miss_;
};

}  // namespace attnjit
