// Shared by the jit tests: a temporary folder, a tiny kernel with its templates, and this machine's NVRTC.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "jit/compiler.h"

namespace attnjit::jit::test {

/// A new folder, removed with its content at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Writes a file below the folder, creating directories as needed.
  std::filesystem::path write(const std::string& name, const std::string& text) const;

 private:
  std::filesystem::path path_;
};

/// Templates made from these files.
Templates templates_of(const std::map<std::string, std::string>& files);

enum class Element : int { kFloat16 = 0, kBFloat16 = 1 };
const char* type_name(Element);
const char* value_name(Element element);

/// The config of the tiny kernel, in the form that a config of templates/shared has on the host.
struct TinyConfig {
  Element element = Element::kBFloat16;
  int width = 64;
  bool doubled = true;

  template <class Visitor>
  void visit(Visitor& visitor) const {
    visitor("element", element);
    visitor("width", width);
    visitor("doubled", doubled);
  }
};

KernelSpec tiny_spec(const TinyConfig& config = {});

/// The tiny kernel's files by name. It has 256 bytes of static shared memory. `statements` go into the kernel's body,
/// where `params.out` is a float* and `value` is a float that is stored at the end; `declarations` go before the
/// kernel. In kernels/tiny.cuh the statements begin on line kStatementsLine.
inline constexpr int kStatementsLine = 12;
std::map<std::string, std::string> tiny_files(const std::string& statements = "", const std::string& declarations = "");

CompileRequest tiny_request(const std::string& target, const TinyConfig& config = {});

/// The NVRTC of this machine, given by ATTNJIT_NVRTC or the search. It must exist: tests that need it fail without it.
const Nvrtc& nvrtc();

}  // namespace attnjit::jit::test
