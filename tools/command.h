// Subcommands of the attnjit command. Each adds itself to the parser and, if it was requested, stores its action in
// `run`; main() runs it once the whole command line has been validated.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace attnjit::tools {

enum Exit : int {
  kExitOk = 0,
  kExitFailure = 1,  // valid command line, failed result
  kExitUsage = 2,    // invalid command line, or an invalid file it names
};

using Run = std::function<Exit()>;

void add_precompile_cache(CLI::App& app, Run& run);
void add_cache(CLI::App& app, Run& run);
void add_cache_export(CLI::App& cache, Run& run);  // these two below `attnjit cache`
void add_cache_explain(CLI::App& cache, Run& run);
void add_doctor(CLI::App& app, Run& run);
void add_emulate(CLI::App& app, Run& run);

}  // namespace attnjit::tools
