#include "tests/bad_input/advice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace attnjit::bad_input {
namespace {

/// What a message of each kind of fault tells to do, whichever row it is of: one of these.
struct Advice {
  const char* fault;
  std::vector<std::string> what_to_do;
};
const Advice kAdvice[] = {
    {" has shape ", {": pass a view of that shape", ": allocate it so, or pass a view of that shape"}},
    {" has dtype ", {": convert it", ": allocate it so"}},
    {" has a null pointer and shape", {": give its address"}},
    {" in its last dim", {": make the rows contiguous"}},
    {"must be a multiple of 8 elements", {": pad the rows"}},
    {"0 or positive", {": copy it"}},
    {"may not overlap", {": allocate it so"}},
    {"starts at 0x", {": allocate it there"}},
};

}  // namespace

void expect_advice(const std::string& message) {
  for (const Advice& advice : kAdvice) {
    if (message.find(advice.fault) == std::string::npos) continue;
    EXPECT_TRUE(std::ranges::any_of(advice.what_to_do,
                                    [&](const std::string& words) { return message.find(words) != std::string::npos; }))
        << "it is not told what to do: " << message;
  }
}

}  // namespace attnjit::bad_input
