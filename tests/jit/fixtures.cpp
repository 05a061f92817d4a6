#include "fixtures.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <fstream>
#include <stdexcept>
#include <system_error>

namespace attnjit::jit::test {

namespace fs = std::filesystem;

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "attnjit-jit-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code error;
  fs::remove_all(path_, error);
}

fs::path TempDir::write(const std::string& name, const std::string& text) const {
  const fs::path file = path_ / name;
  fs::create_directories(file.parent_path());
  std::ofstream stream(file, std::ios::binary);
  stream << text;
  if (!stream.flush()) throw std::runtime_error("cannot write " + file.string());
  return file;
}

Templates templates_of(const std::map<std::string, std::string>& files) {
  const TempDir folder;
  for (const auto& [name, text] : files) folder.write(name, text);
  return Templates::from_directory(folder.path());
}

const char* type_name(Element) { return "Element"; }
const char* value_name(Element element) { return element == Element::kFloat16 ? "f16" : "bf16"; }

KernelSpec tiny_spec(const TinyConfig& config) {
  return {.family = "tiny", .config_type = "TinyConfig", .params_type = "TinyParams", .fields = fields_of(config)};
}

std::map<std::string, std::string> tiny_files(const std::string& statements, const std::string& declarations) {
  const std::string config = R"(#pragma once
namespace attnjit::kernel {
enum class Element : int { kFloat16 = 0, kBFloat16 = 1 };
struct TinyConfig {
  Element element;
  int width;
  bool doubled;
};
struct TinyParams {
  float* out;
  int count;
};
__host__ __device__ constexpr int threads(const TinyConfig& config) { return config.width; }
__host__ __device__ constexpr int min_ctas_per_sm(const TinyConfig&) { return 1; }
}  // namespace attnjit::kernel
)";
  const std::string scale = R"(#pragma once
namespace attnjit::kernel {
template <bool kDoubled>
__device__ float scaled(float value) { return kDoubled ? 2.0f * value : value; }
}  // namespace attnjit::kernel
)";
  const std::string kernel = fmt::format(R"(#pragma once
#include "core/scale.cuh"
#include "shared/tiny_config.h"
namespace attnjit::kernel {{ {}
template <TinyConfig kConfig>
__device__ void tiny(const TinyParams& params) {{
  __shared__ float row[kConfig.width];
  row[threadIdx.x] = params.out[threadIdx.x];
  __syncthreads();
  float value = scaled<kConfig.doubled>(row[(threadIdx.x + 1) % kConfig.width]);
  // statements:
{}
  if (threadIdx.x < params.count) params.out[threadIdx.x] = value;
}}
}}  // namespace attnjit::kernel
)",
                                         declarations, statements);
  return {{"core/scale.cuh", scale}, {"kernels/tiny.cuh", kernel}, {"shared/tiny_config.h", config}};
}

CompileRequest tiny_request(const std::string& target, const TinyConfig& config) {
  CompileRequest request;
  request.source = generate(tiny_spec(config));
  request.target = Target::parse(target);
  request.seed = "tiny";
  return request;
}

const Nvrtc& nvrtc() {
  static const std::shared_ptr<const Nvrtc> opened = Nvrtc::open({});
  return *opened;
}

}  // namespace attnjit::jit::test
