// Compile-only use of the installed C++ API: no device, no driver, no file.
#include <attnjit/attnjit.hpp>
#include <cstdio>

int main() {
  const attnjit::Context context(
      {.device = attnjit::ContextOptions::kNoDevice, .arch = "sm_90a", .cache_path = ":memory:"});
  std::printf("attnjit %s for %s\n", attnjit::version(), context.arch().c_str());
  try {
    const attnjit::Context refused(
        {.device = attnjit::ContextOptions::kNoDevice, .arch = "sm_1", .cache_path = ":memory:"});
    std::puts("sm_1 was accepted");
    return 1;
  } catch (const attnjit::Error& error) {  // thrown inside the library, caught by type outside it
    return error.what()[0] == '\0';
  }
}
