// Errors of the C++ API: one exception type with a status, and a compile error that carries everything
// needed to understand it. A failure of the kernel cache is never thrown: it is logged and counted.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "attnjit/export.h"

namespace attnjit {

/// What kind of thing went wrong. The values are those of `attnjit_status` in the C ABI.
enum class Status : int {
  kOk = 0,
  kInvalidArgument = 1,  ///< a tensor, length, scale or option is not what the operator accepts
  kUnsupported = 2,      ///< no kernel serves this config on this target
  kCompileFailed = 3,    ///< NVRTC refused the source, or the result breaks a promise (spills, wrong entry)
  kNoCompiler = 4,       ///< a kernel had to be compiled and no usable NVRTC was found
  kNoDriver = 5,         ///< no usable libcuda, or no device
  kDriverError = 6,      ///< a CUDA driver call failed
  kInternal = 7,         ///< a fault of this library
  kCacheMiss = 8,        ///< a kernel would have to be compiled, which the miss policy forbids (attnjit/miss.hpp)
};

/// Base of everything this library throws. The message says what was given, what is allowed and what to do. It is UTF-8
/// without control characters but line breaks and tabs, whatever paths and files say.
class ATTNJIT_API Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message);
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

/// A kernel that did not compile: the compiler's log, the generated source, the options and the versions.
class ATTNJIT_API CompileError : public Error {
 public:
  struct Details {
    std::string kernel;                ///< family and config, readable
    std::string target;                ///< for example "sm_90a"
    std::string compiler;              ///< for example "NVRTC 13.0 (/usr/local/cuda/lib64/libnvrtc.so.13)"
    std::vector<std::string> options;  ///< as given to NVRTC
    std::string source;                ///< the generated text (its includes are the library's templates)
    std::string log;                   ///< as NVRTC wrote it: file, line, caret
  };
  CompileError(const std::string& message, Details details)
      : Error(Status::kCompileFailed, message), details_(std::move(details)) {}
  const Details& details() const noexcept { return details_; }

 private:
  Details details_;
};

}  // namespace attnjit
