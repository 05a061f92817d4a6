// The store's size limit, and parsing of human-readable sizes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cache/location.h"

namespace attnjit::cache {

/// About 50 000 kernels: more than a machine ever needs, less than a disk notices.
inline constexpr std::int64_t kDefaultMaxBytes = std::int64_t{2} << 30;
inline constexpr std::int64_t kUnlimited = 0;

/// Parses "500M", "2G", "1.5G" or "0" (no limit) to bytes: a number, and K, M, G or T for powers of 1024 (also "KiB",
/// "kb" and the like). Throws Error(kInvalidArgument) that begins with `name` and says what is allowed.
std::int64_t parse_size(const std::string& name, std::string_view text);

/// ATTNJIT_CACHE_MAX_SIZE, else kDefaultMaxBytes. Throws like parse_size().
std::int64_t max_bytes_of_environment(const Getenv& getenv = process_environment());

}  // namespace attnjit::cache
