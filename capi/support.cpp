#include "capi/support.h"

#include "cache/shown_text.h"

namespace attnjit::c_api {
namespace {

thread_local std::string last_text;

}  // namespace

attnjit_status failed(attnjit_status status, const char* text) noexcept {
  try {
    last_text = shown_lines(text);
  } catch (...) {
    last_text = "out of memory";  // small enough for the string's inline buffer: no allocation
  }
  return status;
}

const char* last_error() noexcept { return last_text.c_str(); }

std::string with_log(const CompileError& error) {
  std::string text = error.what();
  const std::string log = shown_lines(error.details().log);
  if (!log.empty() && text.find(log) == std::string::npos) text += "\n" + log;
  return text;
}

bool read_flag(std::int32_t value, const char* type, const char* field) {
  if (value != 0 && value != 1) invalid(fmt::format("{}.{} is {}; it is 0 or 1", type, field, value));
  return value == 1;
}

DType read_dtype(std::int32_t value, const char* type, const char* field) {
  if (value < ATTNJIT_FLOAT16 || value > ATTNJIT_INT32) {
    invalid(fmt::format("{}.{} is {}, which is no attnjit_dtype ({} to {})", type, field, value,
                        static_cast<int>(ATTNJIT_FLOAT16), static_cast<int>(ATTNJIT_INT32)));
  }
  return static_cast<DType>(value);
}

std::string read_text(const char* text) { return text == nullptr ? "" : text; }

void fail_other_device(int tensor_device, int device) {
  invalid(fmt::format(
      "it is on device {}, but the operator was made for device {}: copy it there, or make an operator with "
      "a context of device {}",
      tensor_device, device, tensor_device));
}

void fail_view(const char* name, const Error& error) {
  throw Error(error.status(), fmt::format("{}: {}", name, error.what()));
}

}  // namespace attnjit::c_api
