// Faults of the compiler and its input: NVRTC, templates, and cubins that the driver refuses.
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/bad_input/machine.h"
#include "tests/bad_input/mha_varlen_operation.h"
#include "tests/bad_input/rows.h"
#include "tests/fake_driver/fake_cuda.h"

namespace attnjit::bad_input {
namespace {

namespace fs = std::filesystem;

Outcome compile_with(Api api, ContextOptions options) {
  const MhaVarlenOperation operation;
  return attempt(api, options, &operation);
}

/// Compiles with the NVRTC at `path`.
std::function<Outcome(Api)> with_nvrtc(const std::string& path, const std::string& arch = "sm_90a") {
  return [=](Api api) {
    ContextOptions options = compile_only(arch);
    options.nvrtc_path = path;
    return compile_with(api, options);
  };
}

/// Compiles with a fake NVRTC, installed with builtins of this version.
std::function<Outcome(Api)> with_fake(const std::string& fake, const std::string& builtins,
                                      const std::string& arch = "sm_90a") {
  return [=](Api api) { return with_nvrtc(install_nvrtc(fake, builtins), arch)(api); };
}

Outcome nvrtc_of_the_environment_missing(Api api) {
  const ScopedEnvironment named("ATTNJIT_NVRTC", "/nowhere/libnvrtc.so.13");
  return compile_with(api, compile_only("sm_90a"));
}

/// The library's templates with one line of one file replaced.
std::string templates_with(const std::string& file, const std::string& line, const std::string& replacement) {
  const fs::path folder = program_folder() / "templates";
  fs::remove_all(folder);
  fs::copy(TEMPLATE_SOURCE_DIR, folder, fs::copy_options::recursive);
  std::ifstream stream(folder / file);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const std::size_t at = text.find(line);
  if (at == std::string::npos) throw std::logic_error(file + " has no line " + line);
  text.replace(at, line.size(), replacement);
  std::ofstream(folder / file) << text;
  return folder.string();
}

/// The number of the first line that holds `text`.
std::string line_of(const std::string& file, const std::string& text) {
  std::ifstream stream(fs::path(TEMPLATE_SOURCE_DIR) / file);
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (line.find(text) != std::string::npos) return std::to_string(number);
  }
  throw std::logic_error(file + " has no line " + text);
}

constexpr const char* kBrokenFile = "core/softmax.cuh";
constexpr const char* kLine = "#pragma once\n";

/// Breaks a template as a user would: on the file's own first line of code, so that file, line and column are known.
Outcome broken_template(Api api) {
  ContextOptions options = compile_only("sm_90a");
  options.template_dir = templates_with(kBrokenFile, kLine, "#pragma once\nint broken = = 1;\n");
  return compile_with(api, options);
}
Outcome broken_template_of_the_environment(Api api) {
  const std::string folder = templates_with(kBrokenFile, kLine, "#pragma once\nint broken = = 1;\n");
  const ScopedEnvironment named("ATTNJIT_TEMPLATE_DIR", folder.c_str());
  return compile_with(api, compile_only("sm_90a"));
}
std::vector<std::string> words_of_the_broken_template() {
  const std::string line = std::to_string(1 + std::stoi(line_of(kBrokenFile, "#pragma once")));
  return {"does not compile for sm_90a", std::string(kBrokenFile) + "(" + line + "): error: expected an expression",
          "  int broken = = 1;\n" + std::string(15, ' ') + "^",  // NVRTC indents the line by two
          "Files named here are those of " + (program_folder() / "templates").string()};
}

Outcome template_that_includes_nothing(Api api) {
  ContextOptions options = compile_only("sm_90a");
  options.template_dir = templates_with(kBrokenFile, kLine, "#pragma once\n#include \"core/none.cuh\"\n");
  return compile_with(api, options);
}

std::function<Outcome(Api)> with_template_dir(const fs::path& folder) {
  return [=](Api api) {
    ContextOptions options = compile_only("sm_90a");
    options.template_dir = folder.string();
    return compile_with(api, options);
  };
}
fs::path empty_folder() {
  const fs::path folder = program_folder() / "empty";
  fs::create_directories(folder);
  return folder;
}

Outcome every_cubin_refused(Api api) {
  fake_cuda::state().cubins_to_refuse = 1000;
  ContextOptions options = fake_device();
  options.log = [](LogLevel, const std::string&) {};
  return compile_with(api, options);
}

/// A GPU that is newer than this machine's NVRTC.
Outcome device_of_the_future(Api api) {
  fake_cuda::state().device_sms = {139};
  return compile_with(api, fake_device());
}

}  // namespace

std::vector<Row> compiler_rows() {
  return {
      {"nvrtc_missing",
       Status::kNoCompiler,
       {"/nowhere/libnvrtc.so (explicit path)", "Install the CUDA toolkit", "12.8 or newer", "ATTNJIT_NVRTC"},
       with_nvrtc("/nowhere/libnvrtc.so")},
      {"nvrtc_of_the_environment_missing",
       Status::kNoCompiler,
       {"/nowhere/libnvrtc.so.13", "Install the CUDA toolkit", "12.8 or newer"},
       nvrtc_of_the_environment_missing},
      {"nvrtc_not_a_library",
       Status::kNoCompiler,
       {TEMPLATE_SOURCE_DIR, "12.8 or newer"},
       with_nvrtc(std::string(TEMPLATE_SOURCE_DIR) + "/shared/types.h")},
      {"nvrtc_incomplete",
       Status::kNoCompiler,
       {"it has no function nvrtcGetErrorString", "12.8 or newer"},
       with_fake(FAKE_NVRTC_INCOMPLETE, "12.9")},
      {"nvrtc_too_old",
       Status::kNoCompiler,
       {"NVRTC 12.4 is older than 12.8", "version 12.8 or newer"},
       with_fake(FAKE_NVRTC_12_4, "12.4")},
      {"nvrtc_without_builtins",
       Status::kNoCompiler,
       {"libnvrtc-builtins.so.13.1 is neither beside it nor found", "nvidia-cuda-nvrtc"},
       with_fake(FAKE_NVRTC_13_1, "")},
      {"arch_newer_than_nvrtc",
       Status::kUnsupported,
       {"NVRTC 12.9 (", "does not know the target sm_120f", "it knows sm_80, sm_90, sm_90a, sm_100", "newer NVRTC",
        "ATTNJIT_NVRTC"},
       with_fake(FAKE_NVRTC_12_9, "12.9", "sm_120f")},
      {"arch_that_nothing_knows",
       Status::kUnsupported,
       {"does not know the target sm_990", "sm_80, ", "newer NVRTC"},
       with_nvrtc("", "sm_990")},
      {"device_newer_than_nvrtc",
       Status::kUnsupported,
       {"does not know the target sm_139", "sm_90a", "newer NVRTC"},
       device_of_the_future},
      {"template_broken", Status::kCompileFailed, words_of_the_broken_template(), broken_template},
      {"template_of_the_environment_broken", Status::kCompileFailed, words_of_the_broken_template(),
       broken_template_of_the_environment},
      {"template_includes_nothing",
       Status::kCompileFailed,
       {"core/softmax.cuh:", "no template is named \"core/none.cuh\"", "from the templates' root"},
       template_that_includes_nothing},
      {"template_dir_missing",
       Status::kInvalidArgument,
       {"/nowhere/templates", "ATTNJIT_TEMPLATE_DIR"},
       with_template_dir("/nowhere/templates")},
      {"template_dir_empty",
       Status::kInvalidArgument,
       {(program_folder() / "empty").string(), "ATTNJIT_TEMPLATE_DIR"},
       with_template_dir(empty_folder())},
      {"cubin_refused",
       Status::kDriverError,
       {"the CUDA 13.0 driver", "refuses the cubin of sm90_mha_varlen for sm_90a that nvrtc 1",
        "CUDA_ERROR_NO_BINARY_FOR_GPU", "ATTNJIT_NVRTC", "update the driver"},
       every_cubin_refused},
  };
}

}  // namespace attnjit::bad_input
