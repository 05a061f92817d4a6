// Errors of the C++ API: one exception type with a status, and a compile error that carries everything needed to
// diagnose it. Kernel cache failures are never thrown; they are logged and counted.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "attnjit/export.h"

namespace attnjit {

/// Kind of error. The values match `attnjit_status` in the C ABI.
enum class Status : int {
  kOk = 0,
  kInvalidArgument = 1,  ///< the operator does not accept a tensor, length, scale or option
  kUnsupported = 2,      ///< no kernel supports this config on this target
  kCompileFailed = 3,    ///< NVRTC rejected the source, or the result is unacceptable (spills, wrong entry)
  kNoCompiler = 4,       ///< a kernel had to be compiled, but no usable NVRTC was found
  kNoDriver = 5,         ///< no usable libcuda, or no device
  kDriverError = 6,      ///< a CUDA driver call failed
  kInternal = 7,         ///< a bug in this library
  kCacheMiss = 8,        ///< a kernel would have to be compiled, but the miss policy forbids it (attnjit/miss.hpp)
};

/// Base of everything this library throws. The message says what was given, what is allowed and what to do. It is valid
/// UTF-8, and its only control characters are line breaks and tabs, whatever paths and files contain.
class ATTNJIT_API Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message);
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

/// A kernel failed to compile: compiler log, generated source, options and versions.
class ATTNJIT_API CompileError : public Error {
 public:
  struct Details {
    std::string kernel;                ///< family and config, readable
    std::string target;                ///< for example "sm_90a"
    std::string compiler;              ///< for example "NVRTC 13.0 (/usr/local/cuda/lib64/libnvrtc.so.13)"
    std::vector<std::string> options;  ///< as passed to NVRTC
    std::string source;                ///< the generated source (it includes the library's templates)
    std::string log;                   ///< as NVRTC wrote it: file, line, caret
  };
  CompileError(const std::string& message, Details details)
      : Error(Status::kCompileFailed, message), details_(std::move(details)) {}
  const Details& details() const noexcept { return details_; }

 private:
  Details details_;
};

}  // namespace attnjit
