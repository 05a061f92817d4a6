// Shared by all C ABI functions: handles, per-thread errors, growing structs, tensors.
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
#include "operators/fields.h"
#include "process/no_cancellation.h"

// ---- handles

struct attnjit_context {
  attnjit::Context context;
};

namespace attnjit::c_api {

// ---- errors

/// Stores the text for this thread's attnjit_last_error().
attnjit_status failed(attnjit_status status, const char* text) noexcept;
/// "" if there was none.
const char* last_error() noexcept;
/// The message plus NVRTC's log, unless the message quotes it already.
std::string with_log(const CompileError& error);

/// Runs `body` and turns any exception into a status and this thread's error text.
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
  } catch (const std::exception& error) {  // bad_alloc, a failing mutex: also thrown by the handlers above
    return failed(ATTNJIT_INTERNAL, error.what());
  } catch (...) {
    return failed(ATTNJIT_INTERNAL, "an exception of unknown type reached the C ABI");
  }
}

/// Shared by the functions that destroy a handle.
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

/// Returns struct_size; throws unless `given` may be read, or written, up to it. Sizes must be multiples of 8, which
/// those of all structs starting with a size_t are, so no field is cut off.
template <class Struct>
std::size_t checked_size(const Struct* given, const runtime::CStruct<Struct>& known) {
  require(given, known.name);
  const std::size_t size = given->struct_size;
  if (size == sizeof(Struct)) [[likely]]
    return size;
  if (size == 0) [[unlikely]] {
    invalid(fmt::format("{}.struct_size is 0: begin with `{} x = {};`, which sets it to sizeof({})", known.name,
                        known.name, known.init_macro, known.name));
  }
  if (size > sizeof(Struct)) [[unlikely]] {
    invalid(
        fmt::format("{}.struct_size is {}, but this library ({}) knows {} bytes of it: the caller was built against a "
                    "newer attnjit.h. Load the library that belongs to that header",
                    known.name, size, version(), sizeof(Struct)));
  }
  if (size < known.smallest || size % alignof(Struct) != 0) [[unlikely]] {
    invalid(
        fmt::format("{}.struct_size is {}; it is sizeof({}), {} bytes in this library and never less than {}. {} sets "
                    "it",
                    known.name, size, known.name, sizeof(Struct), known.smallest, known.init_macro));
  }
  return size;
}

/// Overlays the caller's struct on the defaults: a caller built against an older header passes fewer bytes.
template <class Struct>
Struct read(const Struct* given, const runtime::CStruct<Struct>& known) {
  const std::size_t size = checked_size(given, known);
  if (size == sizeof(Struct)) [[likely]]
    return *given;
  Struct whole = known.defaults;
  std::memcpy(&whole, given, size);
  return whole;
}

/// Fills in the caller's struct, up to its size.
template <class Struct>
void write(Struct* given, Struct values, const runtime::CStruct<Struct>& known) {
  const std::size_t size = checked_size(given, known);
  values.struct_size = size;
  std::memcpy(given, &values, size);
}

/// 0 or 1.
bool read_flag(std::int32_t value, const char* type, const char* field);
DType read_dtype(std::int32_t value, const char* type, const char* field);
/// NULL is "".
std::string read_text(const char* text);

attnjit_cache_counters to_c(const CacheCounters& counters);

// ---- tensors

[[noreturn]] void fail_other_device(int tensor_device, int device);
[[noreturn]] void fail_view(const char* name, const Error& error);

/// A view of a DLTensor, called `name` in errors; NULL means "not given".
inline Tensor view(const char* name, const DLTensor* dl, int device) {
  if (dl == nullptr) return {};
  try {
    // Managed memory belongs to no device: DLPack requires device_id 0.
    if (dl->device.device_type == kDLCUDA && dl->device.device_id != device && device >= 0) [[unlikely]] {
      fail_other_device(dl->device.device_id, device);
    }
    return Tensor::from_dlpack(*dl);
  } catch (const Error& error) {
    fail_view(name, error);
  }
}

}  // namespace attnjit::c_api
