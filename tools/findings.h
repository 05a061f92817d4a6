// What `attnjit doctor` finds out, as JSON; its text form is printed from the same object.
#pragma once

#include <nlohmann/json.hpp>

namespace attnjit::tools {

using Json = nlohmann::ordered_json;

/// {"version", "driver", "nvrtc", "cache", "templates", "kernels"}. Never throws for what it finds: trouble
/// is a finding. `error` fields are null where all is well.
Json find_out();

}  // namespace attnjit::tools
