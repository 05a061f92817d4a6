#include "tests/tools/command_line.h"

#include <fcntl.h>
#include <pty.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace attnjit::test {
namespace {

/// A child writes to it and the parent reads.
struct Channel {
  int read_end = -1;
  int write_end = -1;
};

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

Channel make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("pipe2");
  return {ends[0], ends[1]};
}

Channel make_terminal() {
  Channel channel;
  if (openpty(&channel.read_end, &channel.write_end, nullptr, nullptr, nullptr) != 0) fail("openpty");
  fcntl(channel.read_end, F_SETFD, FD_CLOEXEC);
  fcntl(channel.write_end, F_SETFD, FD_CLOEXEC);
  return channel;
}

/// Reads to the end; a pseudo terminal whose other side is closed reports EIO.
std::string drain(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  close(descriptor);
  return text;
}

std::vector<std::string> environment_block(const Environment& changes) {
  std::vector<std::string> block;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!changes.contains(text.substr(0, text.find('=')))) block.push_back(text);
  }
  for (const auto& [name, value] : changes) {
    if (value) block.push_back(name + "=" + *value);
  }
  return block;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

CommandResult run_program(const std::vector<std::string>& words, const Environment& environment, bool terminal) {
  const Channel out = make_pipe();
  const Channel err = terminal ? make_terminal() : make_pipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write_end, STDERR_FILENO);

  std::vector<std::string> arguments = words;
  std::vector<std::string> block = environment_block(environment);
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments.front().c_str(), &actions, nullptr, pointers(arguments).data(),
                                 pointers(block).data());
  posix_spawn_file_actions_destroy(&actions);
  close(out.write_end);
  close(err.write_end);
  if (error != 0) throw std::system_error(error, std::generic_category(), "posix_spawnp " + arguments.front());

  CommandResult result;
  // Reads both at once, so that a child that fills one of them never blocks.
  std::thread reader([&] { result.err = drain(err.read_end); });
  result.out = drain(out.read_end);
  reader.join();
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace attnjit::test
