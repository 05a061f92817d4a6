#include "emulator/host_compiler.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "attnjit/error.hpp"
#include "emulator/text.h"

extern char** environ;

namespace attnjit::emulator {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

/// Resolves a name like a shell; empty if not found.
fs::path find_program(const std::string& name) {
  if (name.empty()) return {};
  if (name.find('/') != std::string::npos) return is_program(name) ? fs::absolute(name) : fs::path();
  std::istringstream folders(environment("PATH"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path path = fs::path(folder.empty() ? "." : folder) / name;
    if (is_program(path)) return fs::absolute(path);
  }
  return {};
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// Runs a program in `folder`, with its output to `log`, and returns its exit status.
int run_program(const std::vector<std::string>& command, const fs::path& folder, const fs::path& log) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  pid_t child = 0;
  const int error = posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return 127;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

HostCompiler find_host_compiler() {
  std::vector<std::string> candidates{ATTNJIT_EMULATOR_COMPILER, "g++", "clang++", "c++"};
  if (*ATTNJIT_EMULATOR_SANITIZER != '\0') {
    candidates.resize(1);
  } else if (!environment("CXX").empty()) {
    candidates = {environment("CXX")};
  }
  for (const std::string& candidate : candidates) {
    HostCompiler compiler{words(candidate), ""};
    if (compiler.command.empty()) continue;
    const fs::path program = find_program(compiler.command[0]);
    if (program.empty()) continue;
    compiler.command[0] = program.string();
    struct stat status {};
    stat(program.c_str(), &status);
    compiler.identity = fmt::format("{} {} {}", fmt::join(compiler.command, " "), status.st_size, status.st_mtime);
    return compiler;
  }
  throw Error(
      Status::kNoCompiler,
      fmt::format("the emulator compiles kernels with the host's C++ compiler, and found none of: {}. Install g++ "
                  "(version 12 or newer) or clang++, or name one in CXX",
                  fmt::join(candidates, ", ")));
}

std::vector<std::string> compile_options(const fs::path& folder, bool race_check) {
  std::vector<std::string> options{
      "-std=c++20", "-O1", "-g1", "-fPIC", "-w", "-fvisibility=hidden",
      // Every number must be computed exactly as the source says.
      "-ffp-contract=off", "-fno-math-errno",
      // Report file names as in the source tree. If several maps match, the last one is used.
      fmt::format("-ffile-prefix-map={}=.", folder.string()),
      fmt::format("-ffile-prefix-map={}/templates/=", folder.string()),
      fmt::format("-ffile-prefix-map={}/emulator/=emulator/", folder.string())};
  for (const char* root : kIncludeRoots) options.push_back(fmt::format("-I{}", (folder / root).string()));
  if (race_check) {
    options.push_back("-fsanitize=thread");
  } else if (*ATTNJIT_EMULATOR_SANITIZER != '\0') {
    // Computing an address without using it (of a tensor without elements, whose pointer may be null) is no fault on
    // the device. And the type of Machine is declared in two objects, which vptr would report.
    for (const char* option : {"-fsanitize=" ATTNJIT_EMULATOR_SANITIZER, "-fno-omit-frame-pointer",
                               "-fno-sanitize-recover=all", "-fno-sanitize=vptr,pointer-overflow"}) {
      options.push_back(option);
    }
  }
  return options;
}

void compile(const HostCompiler& compiler, const std::string& name, const fs::path& folder, const fs::path& output,
             bool race_check) {
  const std::vector<std::string> options = compile_options(folder, race_check);
  const fs::path object = folder / "main.o";
  const fs::path log = folder / "log.txt";
  std::vector<std::string> command = compiler.command;
  command.insert(command.end(), options.begin(), options.end());
  command.insert(command.end(), {"-c", (folder / "main.cpp").string(), "-o", object.string()});
  int status = run_program(command, folder, log);
  if (status == 0) {
    command = compiler.command;
    command.insert(command.end(), {"-shared", object.string(), "-o", output.string()});
    // With race checks the hooks are in the object itself, so the sanitizer's runtime must stay out.
    if (!race_check && *ATTNJIT_EMULATOR_SANITIZER != '\0') command.push_back("-fsanitize=" ATTNJIT_EMULATOR_SANITIZER);
    status = run_program(command, folder, log);
  }
  if (status == 0) return;
  const std::string text = read_text(log);
  throw CompileError(fmt::format("the emulator's compiler failed with status {} on {}:\n{}\nThe command was: {}",
                                 status, name, text.substr(0, 4000), fmt::join(command, " ")),
                     {.kernel = name,
                      .target = "the host",
                      .compiler = fmt::format("{}", fmt::join(compiler.command, " ")),
                      .options = options,
                      .source = read_text(folder / "main.cpp"),
                      .log = text});
}

}  // namespace attnjit::emulator
