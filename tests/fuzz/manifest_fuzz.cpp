// A manifest of arbitrary bytes is read, or refused with an attnjit::Error.
#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "attnjit/error.hpp"
#include "tests/fuzz/fuzz.h"
#include "tools/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t count) {
  using attnjit::fuzz::require;
  static const int file = ::memfd_create("manifest", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  require(::ftruncate(file, 0) == 0 && ::pwrite(file, bytes, count, 0) == static_cast<ssize_t>(count),
          "a file in memory");
  try {
    for (const auto& config : attnjit::tools::read_manifest(path)) (void)attnjit::runtime::to_json(config);
  } catch (const attnjit::Error& error) {
    require(error.status() == attnjit::Status::kInvalidArgument, "what cannot be read is an invalid argument");
    require(std::string(error.what()).find(path) != std::string::npos, "the message names the file");
  }
  return 0;
}
