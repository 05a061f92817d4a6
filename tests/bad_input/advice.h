// What the message of a fault advises.
#pragma once

#include <string>

namespace attnjit::bad_input {

/// Fails the current test if the message names a fault of a known kind and does not say what to do about it.
void expect_advice(const std::string& message);

}  // namespace attnjit::bad_input
