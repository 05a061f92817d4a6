// The host's C++ compiler, as the emulator uses it: which one, with which options, and its errors.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace attnjit::emulator {

struct HostCompiler {
  std::vector<std::string> command;  // the resolved program, then the arguments in CXX
  /// Changes when the program does: path, size and modification time.
  std::string identity;
};

/// The compiler that CXX names, and no other; if CXX is unset, the first one found of: the compiler that built this
/// program, g++, clang++, c++. A program built with sanitizers always uses the compiler that built it, since it carries
/// that compiler's runtime. Throws Error(kNoCompiler), which lists the candidates.
HostCompiler find_host_compiler();

/// Options for a kernel's translation unit, whose files are below `folder`. With race checks it is instrumented by
/// -fsanitize=thread and by no other sanitizer, since they cannot be combined.
std::vector<std::string> compile_options(const std::filesystem::path& folder, bool race_check);

/// Compiles folder/main.cpp to the shared object `output`. `name` is the kernel's, for messages. Throws CompileError
/// with the compiler's message.
void compile(const HostCompiler& compiler, const std::string& name, const std::filesystem::path& folder,
             const std::filesystem::path& output, bool race_check);

}  // namespace attnjit::emulator
