// Human-readable numbers.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace attnjit::tools {

/// "812 B", "31.4 KiB", "1.2 MiB", "2.0 GiB".
inline std::string bytes_text(std::int64_t bytes) {
  const double kib = static_cast<double>(bytes) / 1024;
  if (bytes < 1024) return fmt::format("{} B", bytes);
  if (kib < 1024) return fmt::format("{:.1f} KiB", kib);
  if (kib < 1024 * 1024) return fmt::format("{:.1f} MiB", kib / 1024);
  return fmt::format("{:.1f} GiB", kib / 1024 / 1024);
}

/// For a size limit, where 0 means none.
inline std::string limit_text(std::int64_t bytes) { return bytes == 0 ? "any size" : bytes_text(bytes); }

/// "0.42 s", "75 s", "12 min".
inline std::string seconds_text(double seconds) {
  if (seconds < 10) return fmt::format("{:.2f} s", seconds);
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  return fmt::format("{:.0f} min", seconds / 60);
}

}  // namespace attnjit::tools
