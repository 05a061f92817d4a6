#include "tests/bad_input/api.h"

namespace attnjit::bad_input {
namespace {

Outcome attempt_cpp(const ContextOptions& options, const Operation* operation) {
  try {
    const Context context(options);
    if (operation != nullptr) operation->run(context);
    return {};
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
}

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

void forward_log(int level, const char* message, void* user) {
  (*static_cast<const LogCallback*>(user))(static_cast<LogLevel>(level), message);
}

Outcome attempt_c(const ContextOptions& options, const Operation* operation) {
  LogCallback log = options.log;
  attnjit_context_options c = ATTNJIT_CONTEXT_OPTIONS_INIT;
  c.device = options.device;
  c.compiler_exact = options.compiler == CompilerPolicy::kExact ? 1 : 0;
  c.arch = or_null(options.arch);
  c.cache_path = or_null(options.cache_path);
  c.nvrtc_path = or_null(options.nvrtc_path);
  c.template_dir = or_null(options.template_dir);
  c.debug_checks = options.debug_checks ? 1 : 0;
  c.fallback = options.fallback ? static_cast<int>(*options.fallback) : 0;
  if (log) {
    c.log = forward_log;
    c.log_user = &log;
  }
  attnjit_context* context = nullptr;
  attnjit_status status = attnjit_context_create(&c, &context);
  if (status == ATTNJIT_OK && operation != nullptr) status = operation->run(context);
  Outcome outcome{static_cast<Status>(status), status == ATTNJIT_OK ? "" : attnjit_last_error()};
  attnjit_context_destroy(context);
  return outcome;
}

}  // namespace

Outcome attempt(Api api, const ContextOptions& options, const Operation* operation) {
  return api == Api::kCpp ? attempt_cpp(options, operation) : attempt_c(options, operation);
}

}  // namespace attnjit::bad_input
