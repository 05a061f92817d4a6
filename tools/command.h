// The subcommands of the attnjit command. Each one adds itself to the parser and, when it is the one that was
// asked for, leaves in `run` what to do; main() runs it once the whole command line is known to be good.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace attnjit::tools {

enum Exit : int {
  kExitOk = 0,
  kExitFailure = 1,  // the command line was good, the result is not
  kExitUsage = 2,    // the command line, or a file that it names, was not
};

using Run = std::function<Exit()>;

void add_precompile_cache(CLI::App& app, Run& run);
void add_cache(CLI::App& app, Run& run);
void add_cache_export(CLI::App& cache, Run& run);  // these two below `attnjit cache`
void add_cache_explain(CLI::App& cache, Run& run);
void add_doctor(CLI::App& app, Run& run);
void add_emulate(CLI::App& app, Run& run);

}  // namespace attnjit::tools
