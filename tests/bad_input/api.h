// One wish of a user, brought to the library through the C++ or through the C API, and what came of it. Owns how the
// two are made to say the same; an operator adds itself as an Operation.
#pragma once

#include <memory>
#include <string>

#include "attnjit/attnjit.h"
#include "attnjit/context.hpp"
#include "attnjit/error.hpp"

namespace attnjit::bad_input {

enum class Api { kCpp, kC };
inline const char* to_string(Api api) { return api == Api::kCpp ? "Cpp" : "C"; }

/// kOk and no message, or the error.
struct Outcome {
  Status status = Status::kOk;
  std::string message;
};

/// One operator with its config, and one call of it.
class Operation {
 public:
  virtual ~Operation() = default;
  /// Makes the operator and calls it. Throws as the C++ API does.
  virtual void run(const Context& context) const = 0;
  /// The same through the C API; the first status that is not ATTNJIT_OK.
  virtual attnjit_status run(const attnjit_context* context) const = 0;
};

/// Makes a context and, if there is one, does the operation with it. Everything is gone again at the end.
Outcome attempt(Api api, const ContextOptions& options, const Operation* operation);

}  // namespace attnjit::bad_input
