// One user request, made to the library through the C++ or the C API, and its outcome. Owns the way that the two
// express the same request; an operator adds itself as an Operation.
#pragma once

#include <memory>
#include <string>

#include "attnjit/attnjit.h"
#include "attnjit/context.hpp"
#include "attnjit/error.hpp"

namespace attnjit::bad_input {

enum class Api { kCpp, kC };
inline const char* to_string(Api api) { return api == Api::kCpp ? "Cpp" : "C"; }

/// kOk without a message, or the error.
struct Outcome {
  Status status = Status::kOk;
  std::string message;
};

/// An operator with its config, and one call of it.
class Operation {
 public:
  virtual ~Operation() = default;
  /// Creates the operator and calls it. Throws as the C++ API does.
  virtual void run(const Context& context) const = 0;
  /// The same through the C API; returns the first status that is not ATTNJIT_OK.
  virtual attnjit_status run(const attnjit_context* context) const = 0;
};

/// Creates a context and, if there is an operation, runs it with that context. Destroys everything at the end.
Outcome attempt(Api api, const ContextOptions& options, const Operation* operation);

}  // namespace attnjit::bad_input
