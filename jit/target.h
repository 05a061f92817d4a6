// A compilation target such as sm_90a: parsing, printing, and which targets serve a device.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <vector>

namespace attnjit::jit {

/// "sm_90a": compute capability 9.0 with the architecture-specific instructions. `suffix` is 0 (the cubin runs on this
/// and every later minor version of the major), 'a' (this compute capability only) or 'f' (this and later members of
/// its family).
struct Target {
  int major = 0;
  int minor = 0;
  char suffix = 0;

  int number() const { return major * 10 + minor; }  // 90
  std::string name() const;                          // "sm_90a"
  auto operator<=>(const Target&) const = default;

  /// Parses "sm_90a", "90a" or "9.0a"; throws attnjit::Error(kInvalidArgument) saying what is allowed.
  static Target parse(std::string_view text);
};

/// The targets for a device of this compute capability, in order of preference: (9,0) -> sm_90a, sm_90; (10,3) ->
/// sm_100f, sm_103f, sm_103a, sm_103, sm_100. The first one the compiler knows is compiled. Empty for devices older
/// than 8.0, which no kernel supports.
std::vector<Target> targets_for_device(int major, int minor);

}  // namespace attnjit::jit
