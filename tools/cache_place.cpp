#include "tools/cache_place.h"

#include <fmt/format.h>

#include <stdexcept>

#include "cache/location.h"

namespace attnjit::tools {

std::filesystem::path cache_directory(const std::string& wanted) {
  const cache::Location location = cache::choose_location(wanted);
  if (location.directory) return *location.directory;
  std::string rejected;
  for (const std::string& place : location.rejected) rejected += fmt::format("\n  {}", place);
  throw std::runtime_error(
      fmt::format("no cache folder: {}{}. Name one by --cache PATH or ATTNJIT_CACHE", location.reason, rejected));
}

}  // namespace attnjit::tools
