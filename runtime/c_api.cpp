// The C ABI: every function turns its C arguments into those of the C++ API, and every exception into a
// status and a text of the calling thread.
#include <fmt/format.h>

#include <cstddef>
#include <cstring>
#include <exception>
#include <string>
#include <type_traits>

#include "attnjit/attnjit.h"
#include "attnjit/attnjit.hpp"

// ---- the two APIs agree

static_assert(ATTNJIT_OK == static_cast<int>(attnjit::Status::kOk));
static_assert(ATTNJIT_INVALID_ARGUMENT == static_cast<int>(attnjit::Status::kInvalidArgument));
static_assert(ATTNJIT_UNSUPPORTED == static_cast<int>(attnjit::Status::kUnsupported));
static_assert(ATTNJIT_COMPILE_FAILED == static_cast<int>(attnjit::Status::kCompileFailed));
static_assert(ATTNJIT_NO_COMPILER == static_cast<int>(attnjit::Status::kNoCompiler));
static_assert(ATTNJIT_NO_DRIVER == static_cast<int>(attnjit::Status::kNoDriver));
static_assert(ATTNJIT_DRIVER_ERROR == static_cast<int>(attnjit::Status::kDriverError));
static_assert(ATTNJIT_INTERNAL == static_cast<int>(attnjit::Status::kInternal));
static_assert(ATTNJIT_CACHE_MISS == static_cast<int>(attnjit::Status::kCacheMiss));

static_assert(ATTNJIT_FLOAT16 == static_cast<int>(attnjit::DType::kFloat16));
static_assert(ATTNJIT_BFLOAT16 == static_cast<int>(attnjit::DType::kBFloat16));
static_assert(ATTNJIT_FLOAT8_E4M3 == static_cast<int>(attnjit::DType::kFloat8E4M3));
static_assert(ATTNJIT_FLOAT32 == static_cast<int>(attnjit::DType::kFloat32));
static_assert(ATTNJIT_INT32 == static_cast<int>(attnjit::DType::kInt32));

static_assert(ATTNJIT_MISS_ALLOW == static_cast<int>(attnjit::MissPolicy::kAllow));
static_assert(ATTNJIT_MISS_WARN == static_cast<int>(attnjit::MissPolicy::kWarn));
static_assert(ATTNJIT_MISS_ERROR == static_cast<int>(attnjit::MissPolicy::kError));

static_assert(std::is_same_v<attnjit_stream, attnjit::Stream>);

// Sizes of ABI 1. A field is added at the end, at a multiple of 8 and never in the padding that a struct ends
// with: an older caller's size says nothing about bytes that were padding then.
static_assert(sizeof(attnjit_context_options) == 96 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_miss) == 64 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_cache_counters) == 160 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_mha_varlen_config) == 32 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_mha_varlen_params) == 120 || sizeof(void*) != 8);

// ---- handles

struct attnjit_context {
  attnjit::Context context;
};

struct attnjit_mha_varlen {
  attnjit::MhaVarlen op;
  int device;  // CUDA ordinal or ContextOptions::kNoDevice
};

namespace {

using attnjit::Error;
using attnjit::Status;

// ---- errors

thread_local std::string last_error;

attnjit_status failed(attnjit_status status, const char* text) noexcept {
  try {
    last_error = text;
  } catch (...) {
    last_error = "out of memory";  // short enough to be stored inside the string object: allocates nothing
  }
  return status;
}

/// NVRTC's log with the message, unless the message quotes it already.
std::string with_log(const attnjit::CompileError& error) {
  std::string text = error.what();
  const std::string& log = error.details().log;
  if (!log.empty() && text.find(log) == std::string::npos) text += "\n" + log;
  return text;
}

/// Runs `body`; whatever it throws stops here.
template <class Body>
attnjit_status guarded(Body&& body) noexcept {
  try {
    try {
      body();
      return ATTNJIT_OK;
    } catch (const attnjit::CompileError& error) {
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

[[noreturn]] void invalid(const std::string& message) { throw Error(Status::kInvalidArgument, message); }

void require(const void* pointer, const char* name) {
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

constexpr Growth kContextOptions{"attnjit_context_options", "ATTNJIT_CONTEXT_OPTIONS_INIT",
                                 offsetof(attnjit_context_options, arch)};
constexpr Growth kCacheCounters{"attnjit_cache_counters", "ATTNJIT_CACHE_COUNTERS_INIT",
                                offsetof(attnjit_cache_counters, memory_hits)};
constexpr Growth kMhaVarlenConfig{"attnjit_mha_varlen_config", "ATTNJIT_MHA_VARLEN_CONFIG_INIT",
                                  offsetof(attnjit_mha_varlen_config, rope_dim)};
constexpr Growth kMhaVarlenParams{"attnjit_mha_varlen_params", "ATTNJIT_MHA_VARLEN_PARAMS_INIT",
                                  sizeof(attnjit_mha_varlen_params)};

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
                    growth.type, size, attnjit::version(), sizeof(Struct)));
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

bool read_flag(std::int32_t value, const char* name) {
  if (value != 0 && value != 1) invalid(fmt::format("{} is {}; it is 0 or 1", name, value));
  return value == 1;
}

attnjit::DType read_dtype(std::int32_t value, const char* name) {
  if (value < ATTNJIT_FLOAT16 || value > ATTNJIT_INT32) {
    invalid(fmt::format("{} is {}, which is no attnjit_dtype ({} to {})", name, value,
                        static_cast<int>(ATTNJIT_FLOAT16), static_cast<int>(ATTNJIT_INT32)));
  }
  return static_cast<attnjit::DType>(value);
}

std::string read_text(const char* text) { return text == nullptr ? "" : text; }

attnjit::MissPolicy read_miss_policy(int value, const char* name) {
  if (value < ATTNJIT_MISS_ALLOW || value > ATTNJIT_MISS_ERROR) {
    invalid(fmt::format("{} is {}; it is 0 (ATTNJIT_MISS_ALLOW), 1 (ATTNJIT_MISS_WARN) or 2 (ATTNJIT_MISS_ERROR)", name,
                        value));
  }
  return static_cast<attnjit::MissPolicy>(value);
}

// ---- conversions

attnjit_miss to_c(const attnjit::Miss& miss) {
  return {.struct_size = sizeof(attnjit_miss),
          .operator_config = miss.operator_config.c_str(),
          .kernel_config = miss.kernel_config.c_str(),
          .family = miss.family.c_str(),
          .arch = miss.arch.c_str(),
          .key = miss.key.c_str(),
          .command = miss.command.c_str(),
          .policy = static_cast<std::int32_t>(miss.policy),
          .reserved = 0};
}

attnjit_cache_counters to_c(const attnjit::CacheCounters& c) {
  return {.struct_size = sizeof(attnjit_cache_counters),
          .loaded_hits = c.loaded_hits,
          .memory_hits = c.memory_hits,
          .store_hits = c.store_hits,
          .waits = c.waits,
          .compiles = c.compiles,
          .misses = c.misses,
          .refusals = c.refusals,
          .compile_failures = c.compile_failures,
          .loads = c.loads,
          .refused_cubins = c.refused_cubins,
          .bad_rows = c.bad_rows,
          .bad_files = c.bad_files,
          .evicted_rows = c.evicted_rows,
          .store_failures = c.store_failures,
          .compile_seconds = c.compile_seconds,
          .load_seconds = c.load_seconds,
          .wait_seconds = c.wait_seconds,
          .store_read_seconds = c.store_read_seconds,
          .store_write_seconds = c.store_write_seconds};
}

attnjit::ContextOptions to_cpp(const attnjit_context_options& c) {
  attnjit::ContextOptions options;
  options.device = c.device;
  options.arch = read_text(c.arch);
  options.cache_path = read_text(c.cache_path);
  options.compiler = read_flag(c.compiler_exact, "attnjit_context_options.compiler_exact")
                         ? attnjit::CompilerPolicy::kExact
                         : attnjit::CompilerPolicy::kNewest;
  options.nvrtc_path = read_text(c.nvrtc_path);
  options.template_dir = read_text(c.template_dir);
  if (c.log != nullptr) {
    options.log = [callback = c.log, user = c.log_user](attnjit::LogLevel level, const std::string& message) {
      callback(static_cast<int>(level), message.c_str(), user);
    };
  }
  if (c.on_miss != -1) options.on_miss = read_miss_policy(c.on_miss, "attnjit_context_options.on_miss (-1: default)");
  if (c.miss != nullptr) {
    options.miss_callback = [callback = c.miss, user = c.miss_user](const attnjit::Miss& miss) {
      const attnjit_miss told = to_c(miss);
      callback(&told, user);
    };
  }
  if (c.cache_max_bytes != -1) options.cache_max_bytes = c.cache_max_bytes;
  return options;
}

attnjit::MhaVarlenConfig to_cpp(const attnjit_mha_varlen_config& c) {
  attnjit::MhaVarlenConfig config;
  config.head_dim_qk = c.head_dim_qk;
  config.head_dim_v = c.head_dim_v;
  config.rope_dim = c.rope_dim;
  config.causal = read_flag(c.causal, "attnjit_mha_varlen_config.causal");
  config.dtype = read_dtype(c.dtype, "attnjit_mha_varlen_config.dtype");
  if (c.out_dtype != -1) config.out_dtype = read_dtype(c.out_dtype, "attnjit_mha_varlen_config.out_dtype");
  return config;
}

/// A view of a DLTensor that errors call `name`; NULL is "not given".
attnjit::Tensor view(const char* name, const DLTensor* dl, int device) {
  if (dl == nullptr) return {};
  try {
    // Managed memory has no device of its own: DLPack asks for device_id 0.
    if (dl->device.device_type == kDLCUDA && dl->device.device_id != device && device >= 0) [[unlikely]] {
      invalid(
          fmt::format("it is on device {}, but the operator was made for device {}: copy it there, or make an "
                      "operator with a context of device {}",
                      dl->device.device_id, device, dl->device.device_id));
    }
    return attnjit::Tensor::from_dlpack(*dl);
  } catch (const Error& error) {
    throw Error(error.status(), fmt::format("{}: {}", name, error.what()));
  }
}

attnjit::MhaVarlenParams to_cpp(const attnjit_mha_varlen_params& c, int device) {
  return {.q = view("q", c.q, device),
          .q_nope = view("q_nope", c.q_nope, device),
          .q_pe = view("q_pe", c.q_pe, device),
          .k = view("k", c.k, device),
          .k_nope = view("k_nope", c.k_nope, device),
          .k_pe = view("k_pe", c.k_pe, device),
          .v = view("v", c.v, device),
          .out = view("out", c.out, device),
          .lse = view("lse", c.lse, device),
          .out_scale = view("out_scale", c.out_scale, device),
          .cu_seqlens_q = view("cu_seqlens_q", c.cu_seqlens_q, device),
          .cu_seqlens_k = view("cu_seqlens_k", c.cu_seqlens_k, device),
          .max_seqlen_q = c.max_seqlen_q,
          .max_seqlen_k = c.max_seqlen_k,
          .softmax_scale = c.softmax_scale};
}

}  // namespace

// ---- the functions

const char* attnjit_version(void) { return attnjit::version(); }

uint32_t attnjit_abi_version(void) { return ATTNJIT_ABI_VERSION; }

const char* attnjit_status_name(attnjit_status status) {
  switch (status) {
    case ATTNJIT_OK: return "ATTNJIT_OK";
    case ATTNJIT_INVALID_ARGUMENT: return "ATTNJIT_INVALID_ARGUMENT";
    case ATTNJIT_UNSUPPORTED: return "ATTNJIT_UNSUPPORTED";
    case ATTNJIT_COMPILE_FAILED: return "ATTNJIT_COMPILE_FAILED";
    case ATTNJIT_NO_COMPILER: return "ATTNJIT_NO_COMPILER";
    case ATTNJIT_NO_DRIVER: return "ATTNJIT_NO_DRIVER";
    case ATTNJIT_DRIVER_ERROR: return "ATTNJIT_DRIVER_ERROR";
    case ATTNJIT_INTERNAL: return "ATTNJIT_INTERNAL";
    case ATTNJIT_CACHE_MISS: return "ATTNJIT_CACHE_MISS";
  }
  return "unknown attnjit_status";
}

const char* attnjit_last_error(void) { return last_error.c_str(); }

attnjit_status attnjit_context_create(const attnjit_context_options* options, attnjit_context** context) {
  return guarded([&] {
    require(context, "context (where the new handle is written)");
    *context = nullptr;
    const attnjit_context_options defaults = ATTNJIT_CONTEXT_OPTIONS_INIT;
    const attnjit_context_options c = options == nullptr ? defaults : read(options, defaults, kContextOptions);
    *context = new attnjit_context{attnjit::Context(to_cpp(c))};
  });
}

void attnjit_context_destroy(attnjit_context* context) { delete context; }

const char* attnjit_context_arch(const attnjit_context* context) {
  return context == nullptr ? "" : context->context.arch().c_str();
}

attnjit_status attnjit_context_freeze(attnjit_context* context, attnjit_miss_policy policy) {
  return guarded([&] {
    require(context, "context");
    context->context.freeze(read_miss_policy(static_cast<int>(policy), "policy"));
  });
}

attnjit_status attnjit_context_counters(const attnjit_context* context, attnjit_cache_counters* counters) {
  return guarded([&] {
    require(context, "context");
    write(counters, to_c(context->context.counters()), kCacheCounters);
  });
}

const char* attnjit_context_counters_json(const attnjit_context* context) {
  static thread_local std::string text;
  text.clear();
  if (context != nullptr) (void)guarded([&] { text = attnjit::to_json(context->context.counters()); });
  return text.c_str();
}

attnjit_status attnjit_mha_varlen_create(const attnjit_context* context, const attnjit_mha_varlen_config* config,
                                         attnjit_mha_varlen** op) {
  return guarded([&] {
    require(op, "op (where the new handle is written)");
    *op = nullptr;
    require(context, "context");
    const attnjit_mha_varlen_config defaults = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
    const attnjit::MhaVarlenConfig cpp_config = to_cpp(read(config, defaults, kMhaVarlenConfig));
    *op = new attnjit_mha_varlen{attnjit::MhaVarlen(context->context, cpp_config), context->context.device()};
  });
}

void attnjit_mha_varlen_destroy(attnjit_mha_varlen* op) { delete op; }

attnjit_status attnjit_mha_varlen_run(const attnjit_mha_varlen* op, const attnjit_mha_varlen_params* params,
                                      attnjit_stream stream) {
  return guarded([&] {
    require(op, "op");
    const attnjit_mha_varlen_params defaults = ATTNJIT_MHA_VARLEN_PARAMS_INIT;
    op->op.run(to_cpp(read(params, defaults, kMhaVarlenParams), op->device), stream);
  });
}
