#include "bench/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace attnjit::bench {
namespace {

[[noreturn]] void fail(int error, const char* call) { throw std::system_error(error, std::generic_category(), call); }

struct Pipe {
  int read_end;
  int write_end;
};

/// Close-on-exec: a child that inherited another child's pipe, or the gate's write end, would keep it open.
Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail(errno, "pipe2");
  return {ends[0], ends[1]};
}

}  // namespace

Gate::Gate() {
  const Pipe pipe = make_pipe();
  read_end_ = pipe.read_end;
  write_end_ = pipe.write_end;
}

Gate::~Gate() {
  open();
  close(read_end_);
}

void Gate::open() {
  if (write_end_ >= 0) close(write_end_);  // every reader sees end-of-file at once
  write_end_ = -1;
}

void Gate::wait_at_standard_input() {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
}

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const Gate& gate) {
  std::string program = "/proc/self/exe";
  std::vector<char*> argv{program.data()};
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const Pipe output = make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, gate.read_end(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.write_end, STDOUT_FILENO);
  const int error = posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(output.write_end);
  output_ = output.read_end;
  if (error != 0) fail(error, "posix_spawn");
}

std::string ChildProcess::finish() {
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(output_, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  close(output_);
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) fail(errno, "waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(fmt::format("a child process ended with wait status {:#x}: {}", status, text));
  }
  return text;
}

}  // namespace attnjit::bench
