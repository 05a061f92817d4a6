#include "emulator/text.h"

#include <fmt/format.h>

#include <fstream>

#include "attnjit/error.hpp"
#include "emulator/embedded_bodies.h"

namespace attnjit::emulator {

KernelText kernel_text(const jit::KernelSpec& spec, const jit::Templates& templates, bool race_check) {
  const jit::Source source = jit::generate(spec);
  KernelText text;
  text.name = source.name;
  // The only CUDA keywords outside templates/ptx are those of the kernel's entry.
  text.main = fmt::format(R"(#define __global__
#define __device__
#define __launch_bounds__(...)
#define __grid_constant__
{hooks}{source}
namespace {{
__attribute__((noinline)) void run(const void* params) {{
  attnjit::kernel::{kernel}(*static_cast<const attnjit::kernel::{params_type}*>(params));
}}
}}
// Not instrumented: until the machine is set, that of the launch before stands there.
extern "C" __attribute__((visibility("default"), no_sanitize("thread"))) void {entry}(
    attnjit::emulator::Machine* machine, const void* params) {{
  attnjit::emulator::current_machine = machine;
  run(params);
}}
)",
                          fmt::arg("hooks", race_check ? "#include \"ptx/race_hooks.h\"\n" : ""),
                          fmt::arg("source", source.text), fmt::arg("entry", kEntry), fmt::arg("kernel", source.entry),
                          fmt::arg("params_type", spec.params_type));
  for (std::size_t i = 0; i < kEmbeddedFileCount; ++i) {
    const jit::EmbeddedFile& body = kEmbeddedFiles[i];
    text.files[fmt::format("emulator/ptx/{}", body.name)].assign(reinterpret_cast<const char*>(body.text), body.size);
  }
  for (const std::string& name : templates.closure(source.header)) {
    text.files[fmt::format("templates/{}", name)] = templates.files().find(name)->second;
  }
  return text;
}

void write(const KernelText& text, const std::filesystem::path& folder) {
  const auto write_file = [&](const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream stream(path, std::ios::binary);
    stream << content;
    stream.close();
    if (!stream) throw Error(Status::kInternal, fmt::format("emulator: {} cannot be written", path.string()));
  };
  for (const auto& [name, content] : text.files) write_file(name, content);
  write_file("main.cpp", text.main);
}

}  // namespace attnjit::emulator
