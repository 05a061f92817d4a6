// The host's C++ compiler as the emulator uses it: which one, with which options, and what went wrong.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace attnjit::emulator {

struct HostCompiler {
  std::vector<std::string> command;  // the program, found, and what stands behind it in CXX
  /// Changes when the program does: path, size and time of the file.
  std::string identity;
};

/// What CXX names and nothing else; without it the first that is there of: the compiler that built this program, g++,
/// clang++, c++. A program that was built with sanitizers takes the one that built it, whose runtime it carries. Throws
/// Error(kNoCompiler) that lists what was looked for.
HostCompiler find_host_compiler();

/// Options for a kernel's translation unit, whose text lies below `folder`. With race checks it is instrumented by
/// -fsanitize=thread and by no other sanitizer, since they do not go together.
std::vector<std::string> compile_options(const std::filesystem::path& folder, bool race_check);

/// `name` is the kernel's, for messages. Compiles folder/main.cpp to the shared object `output`. Throws CompileError
/// with the compiler's message.
void compile(const HostCompiler& compiler, const std::string& name, const std::filesystem::path& folder,
             const std::filesystem::path& output, bool race_check);

}  // namespace attnjit::emulator
