// Runs a program as a user would and keeps its output.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace attnjit::test {

struct CommandResult {
  int status = -1;  // exit status; 128 + number for a signal
  std::string out;
  std::string err;
};

/// A variable without a value is removed.
using Environment = std::map<std::string, std::optional<std::string>>;

/// Waits for the end. With `terminal`, stderr is a pseudo terminal, else a pipe.
CommandResult run_program(const std::vector<std::string>& words, const Environment& environment, bool terminal = false);

}  // namespace attnjit::test
