// The text of a kernel as the host's compiler reads it: what jit generates, the templates, and in place of
// templates/ptx the bodies of emulator/ptx.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "jit/source.h"
#include "jit/templates.h"

namespace attnjit::emulator {

struct KernelText {
  std::string name;  // for messages
  std::string main;  // the translation unit
  /// File -> text. Two roots in this order: "emulator/ptx/mma.cuh" is found before "templates/ptx/mma.cuh".
  std::map<std::string, std::string> files;
};

/// The two folders below which KernelText::files lie, as the compiler is to search them.
inline constexpr const char* kIncludeRoots[] = {"emulator", "templates"};
/// The function that a kernel's object exports: void (Machine*, const void* params).
inline constexpr const char* kEntry = "attnjit_emulator_entry";

KernelText kernel_text(const jit::KernelSpec& spec, const jit::Templates& templates, bool race_check);

/// Writes the files and "main.cpp" below `folder`.
void write(const KernelText& text, const std::filesystem::path& folder);

}  // namespace attnjit::emulator
