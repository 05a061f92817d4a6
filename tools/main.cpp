// attnjit: compiles kernels ahead of time, manages the cache, and reports what this machine can do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "attnjit/context.hpp"
#include "attnjit/error.hpp"
#include "tools/command.h"
#include "tools/say.h"

namespace {

using namespace attnjit::tools;

Exit complain(const std::string& message, Exit exit) {
  say(stderr, "attnjit: {}\n", message);
  return exit;
}

/// What is wrong with the command line. For an unknown command, the parser itself only says that one is missing.
std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::RequiredError)) return error.what();
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  std::vector<std::string> names;
  for (const CLI::App* known : command->get_subcommands({})) names.push_back(known->get_name());
  const std::vector<std::string> unknown = app.remaining(/*recurse=*/true);
  return fmt::format("{}: give one of {}",
                     unknown.empty() ? "a command is missing" : fmt::format("\"{}\" is not a command", unknown.front()),
                     fmt::join(names, ", "));
}

/// Makes a write beyond the file size limit (ulimit -f) fail and be reported instead of killing the process. Call
/// before creating threads, so that all of them, and only this program's, inherit the mask.
void block_file_size_signal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

int run_and_flush(const Run& run) {
  const int exit = run();
  if (std::fflush(stdout) != 0) {
    return complain(fmt::format("the output cannot be written: {}", std::strerror(errno)), kExitFailure);
  }
  return exit;
}

}  // namespace

int main(int argc, char** argv) {
  block_file_size_signal();
  CLI::App app{"attnjit: attention kernels generated, compiled and cached at run time", "attnjit"};
  app.set_version_flag("--version", fmt::format("attnjit {}", attnjit::version()), "Print the version and exit");
  app.require_subcommand(1);
  Run run;
  add_precompile_cache(app, run);
  add_cache(app, run);
  add_doctor(app, run);
  add_emulate(app, run);

  try {
    app.parse(argc, argv);
    return run_and_flush(run);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return complain(
        fmt::format("{}\nRun attnjit --help, or attnjit COMMAND --help, for what is allowed", describe(app, error)),
        kExitUsage);
  } catch (const attnjit::Error& error) {
    return complain(error.what(), error.status() == attnjit::Status::kInvalidArgument ? kExitUsage : kExitFailure);
  } catch (const std::exception& error) {
    return complain(error.what(), kExitFailure);
  }
}
