// The findings of `attnjit doctor` as JSON; its text form is printed from the same object.
#pragma once

#include <nlohmann/json.hpp>

namespace attnjit::tools {

using Json = nlohmann::ordered_json;

/// {"version", "driver", "nvrtc", "cache", "templates", "kernels"}. Never throws for what it finds: problems are
/// findings. `error` fields are null if all is well.
Json find_out();

}  // namespace attnjit::tools
