// C ABI: versions, statuses, errors, contexts.
#include <type_traits>

#include "attnjit/miss.hpp"
#include "capi/support.h"

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

static_assert(ATTNJIT_FALLBACK_WARN == static_cast<int>(attnjit::FallbackPolicy::kWarn));
static_assert(ATTNJIT_FALLBACK_ERROR == static_cast<int>(attnjit::FallbackPolicy::kError));
static_assert(ATTNJIT_MISS_ABSENT == static_cast<int>(attnjit::MissReason::kAbsent));
static_assert(ATTNJIT_MISS_STORE_UNREADABLE == static_cast<int>(attnjit::MissReason::kStoreUnreadable));
static_assert(ATTNJIT_MISS_CUBIN_REFUSED == static_cast<int>(attnjit::MissReason::kCubinRefused));

static_assert(std::is_same_v<attnjit_stream, attnjit::Stream>);

// Sizes of ABI 1. New fields go at the end, at a multiple of 8, never into a struct's tail padding: an older caller's
// struct_size says nothing about bytes that were padding then.
static_assert(sizeof(attnjit_context_options) == 104 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_miss) == 80 || sizeof(void*) != 8);
static_assert(sizeof(attnjit_cache_counters) == 168 || sizeof(void*) != 8);

namespace attnjit::c_api {
namespace {

constexpr runtime::CStruct<attnjit_context_options> kContextOptions{
    "attnjit_context_options", "ATTNJIT_CONTEXT_OPTIONS_INIT", ATTNJIT_CONTEXT_OPTIONS_INIT,
    offsetof(attnjit_context_options, arch)};
constexpr runtime::CStruct<attnjit_cache_counters> kCacheCounters{
    "attnjit_cache_counters", "ATTNJIT_CACHE_COUNTERS_INIT", ATTNJIT_CACHE_COUNTERS_INIT,
    offsetof(attnjit_cache_counters, memory_hits)};

MissPolicy read_miss_policy(int value, const char* name) {
  if (value < ATTNJIT_MISS_ALLOW || value > ATTNJIT_MISS_ERROR) {
    invalid(fmt::format("{} is {}; it is 0 (ATTNJIT_MISS_ALLOW), 1 (ATTNJIT_MISS_WARN) or 2 (ATTNJIT_MISS_ERROR)", name,
                        value));
  }
  return static_cast<MissPolicy>(value);
}

FallbackPolicy read_fallback_policy(int value) {
  if (value != ATTNJIT_FALLBACK_WARN && value != ATTNJIT_FALLBACK_ERROR) {
    invalid(
        fmt::format("attnjit_context_options.fallback is {}; it is 0 (default), 1 (ATTNJIT_FALLBACK_WARN) or 2 "
                    "(ATTNJIT_FALLBACK_ERROR)",
                    value));
  }
  return static_cast<FallbackPolicy>(value);
}

attnjit_miss to_c(const Miss& miss) {
  return {.struct_size = sizeof(attnjit_miss),
          .operator_config = miss.operator_config.c_str(),
          .kernel_config = miss.kernel_config.c_str(),
          .family = miss.family.c_str(),
          .arch = miss.arch.c_str(),
          .key = miss.key.c_str(),
          .command = miss.command.c_str(),
          .policy = static_cast<std::int32_t>(miss.policy),
          .reserved = 0,
          .why = miss.why.c_str(),
          .reason = static_cast<std::int32_t>(miss.reason),
          .reserved_reason = 0};
}

ContextOptions to_cpp(const attnjit_context_options& c) {
  ContextOptions options;
  options.device = c.device;
  options.arch = read_text(c.arch);
  options.cache_path = read_text(c.cache_path);
  options.compiler = read_flag(c.compiler_exact, kContextOptions.name, "compiler_exact") ? CompilerPolicy::kExact
                                                                                         : CompilerPolicy::kNewest;
  options.nvrtc_path = read_text(c.nvrtc_path);
  options.template_dir = read_text(c.template_dir);
  if (c.log != nullptr) {
    options.log = [callback = c.log, user = c.log_user](LogLevel level, const std::string& message) {
      callback(static_cast<int>(level), message.c_str(), user);
    };
  }
  if (c.on_miss != -1) options.on_miss = read_miss_policy(c.on_miss, "attnjit_context_options.on_miss (-1: default)");
  if (c.miss != nullptr) {
    options.miss_callback = [callback = c.miss, user = c.miss_user](const Miss& miss) {
      const attnjit_miss c_miss = to_c(miss);
      callback(&c_miss, user);
    };
  }
  if (c.cache_max_bytes != -1) options.cache_max_bytes = c.cache_max_bytes;
  options.debug_checks = read_flag(c.debug_checks, kContextOptions.name, "debug_checks");
  if (c.fallback != 0) options.fallback = read_fallback_policy(c.fallback);
  return options;
}

}  // namespace

attnjit_cache_counters to_c(const CacheCounters& c) {
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
          .store_write_seconds = c.store_write_seconds,
          .fallbacks = c.fallbacks};
}

}  // namespace attnjit::c_api

using namespace attnjit::c_api;

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

const char* attnjit_last_error(void) { return last_error(); }

attnjit_status attnjit_context_create(const attnjit_context_options* options, attnjit_context** context) {
  return guarded([&] {
    require(context, "context (where the new handle is written)");
    *context = nullptr;
    const attnjit_context_options c = options == nullptr ? kContextOptions.defaults : read(options, kContextOptions);
    *context = new attnjit_context{attnjit::Context(to_cpp(c))};
  });
}

void attnjit_context_destroy(attnjit_context* context) { destroy(context); }

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
