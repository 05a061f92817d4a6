// What every function of the C ABI shares: handles, errors of the calling thread, structs that grow, tensors. One file
// per operator beside it turns C arguments into those of the C++ API.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>

#include "attnjit/attnjit.h"
#include "attnjit/context.hpp"
#include "attnjit/counters.hpp"
#include "attnjit/error.hpp"
#include "attnjit/tensor.hpp"
#include "process/no_cancellation.h"

// ---- handles

struct attnjit_context {
  attnjit::Context context;
};

namespace attnjit::c_api {

// ---- errors

/// Keeps the text for attnjit_last_error() of this thread.
attnjit_status failed(attnjit_status status, const char* text) noexcept;
/// "" if there was none.
const char* last_error() noexcept;
/// NVRTC's log with the message, unless the message quotes it already.
std::string with_log(const CompileError& error);

/// Runs `body`; whatever it throws stops here, as a status and a text of the calling thread.
template <class Body>
attnjit_status guarded(Body&& body) noexcept {
  const process::NoCancellation no_cancellation;
  try {
    try {
      body();
      return ATTNJIT_OK;
    } catch (const CompileError& error) {
      return failed(ATTNJIT_COMPILE_FAILED, with_log(error).c_str());
    } catch (const Error& error) {
      return failed(static_cast<attnjit_status>(error.status()), error.what());
    }
  } catch (const std::exception& error) {  // bad_alloc, a mutex that fails: also from the handlers above
    return failed(ATTNJIT_INTERNAL, error.what());
  } catch (...) {
    return failed(ATTNJIT_INTERNAL, "an exception of unknown type reached the C ABI");
  }
}

/// What the functions that end a handle do.
template <class Handle>
void destroy(Handle* handle) noexcept {
  const process::NoCancellation no_cancellation;
  delete handle;
}

[[noreturn]] inline void invalid(const std::string& message) { throw Error(Status::kInvalidArgument, message); }

inline void require(const void* pointer, const char* name) {
  if (pointer == nullptr) [[unlikely]]
    invalid(fmt::format("{} is NULL", name));
}

// ---- structs that grow

/// What of a struct's size is allowed, and how to say so.
struct Growth {
  const char* type;        // "attnjit_mha_varlen_config"
  const char* init_macro;  // what sets struct_size
  std::size_t smallest;    // bytes up to the last field that has no default
};

/// Throws unless `given` may be read, or written, up to its struct_size, which is returned. Sizes end at a multiple
/// of 8, as every struct that begins with a size_t does, so that no field is cut.
template <class Struct>
std::size_t checked_size(const Struct* given, const Growth& growth) {
  require(given, growth.type);
  const std::size_t size = given->struct_size;
  if (size == sizeof(Struct)) [[likely]]
    return size;
  if (size == 0) [[unlikely]] {
    invalid(fmt::format("{}.struct_size is 0: begin with `{} x = {};`, which sets it to sizeof({})", growth.type,
                        growth.type, growth.init_macro, growth.type));
  }
  if (size > sizeof(Struct)) [[unlikely]] {
    invalid(
        fmt::format("{}.struct_size is {}, but this library ({}) knows {} bytes of it: the caller was built against a "
                    "newer attnjit.h. Load the library that belongs to that header",
                    growth.type, size, version(), sizeof(Struct)));
  }
  if (size < growth.smallest || size % alignof(Struct) != 0) [[unlikely]] {
    invalid(
        fmt::format("{}.struct_size is {}; it is sizeof({}), {} bytes in this library and never less than {}. {} sets "
                    "it",
                    growth.type, size, growth.type, sizeof(Struct), growth.smallest, growth.init_macro));
  }
  return size;
}

/// The caller's struct laid over the defaults: a caller built against an older header gives fewer bytes.
template <class Struct>
Struct read(const Struct* given, Struct defaults, const Growth& growth) {
  const std::size_t size = checked_size(given, growth);
  if (size == sizeof(Struct)) [[likely]]
    return *given;
  std::memcpy(&defaults, given, size);
  return defaults;
}

/// Fills in as much of the caller's struct as that has.
template <class Struct>
void write(Struct* given, Struct values, const Growth& growth) {
  const std::size_t size = checked_size(given, growth);
  values.struct_size = size;
  std::memcpy(given, &values, size);
}

/// 0 or 1.
bool read_flag(std::int32_t value, const char* name);
DType read_dtype(std::int32_t value, const char* name);
/// NULL is "".
std::string read_text(const char* text);

attnjit_cache_counters to_c(const CacheCounters& counters);

// ---- tensors

[[noreturn]] void fail_other_device(int tensor_device, int device);
[[noreturn]] void fail_view(const char* name, const Error& error);

/// A view of a DLTensor that errors call `name`; NULL is "not given".
inline Tensor view(const char* name, const DLTensor* dl, int device) {
  if (dl == nullptr) return {};
  try {
    // Managed memory has no device of its own: DLPack asks for device_id 0.
    if (dl->device.device_type == kDLCUDA && dl->device.device_id != device && device >= 0) [[unlikely]] {
      fail_other_device(dl->device.device_id, device);
    }
    return Tensor::from_dlpack(*dl);
  } catch (const Error& error) {
    fail_view(name, error);
  }
}

}  // namespace attnjit::c_api
