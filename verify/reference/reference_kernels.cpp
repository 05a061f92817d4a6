#include "verify/reference/reference_kernels.h"

#include <algorithm>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "cache/key.h"
#include "jit/compiler.h"
#include "jit/embedded_files.h"
#include "jit/templates.h"

namespace attnjit::reference {

// Generated from device/ by cmake/EmbedTemplates.cmake.
extern const jit::EmbeddedFile kEmbeddedFiles[];
extern const std::size_t kEmbeddedFileCount;

namespace {

/// The only thing the plain kernels share with the library's: the integer type names.
constexpr const char* kSharedHeader = "shared/types.h";
constexpr const char* kEntry = "attnjit_reference_bf16";

std::string embedded_text(std::string_view name) {
  for (std::size_t i = 0; i < kEmbeddedFileCount; ++i) {
    const jit::EmbeddedFile& file = kEmbeddedFiles[i];
    if (name == file.name) return {reinterpret_cast<const char*>(file.text), file.size};
  }
  throw std::logic_error("verify/reference/device has no " + std::string(name));
}

/// Drops the lines that are meaningless once all files are one text.
std::string as_part(const std::string& text) {
  std::istringstream lines(text);
  std::string part;
  for (std::string line; std::getline(lines, line);) {
    const bool own_include = line.starts_with("#include \"") && line.find(kSharedHeader) == std::string::npos;
    if (own_include || line == "#pragma once") continue;
    part += line + "\n";
  }
  return part;
}

cache::KeyFields key_fields(const runtime::KernelLoader& loader) {
  const std::string text = device_text() + jit::Templates::embedded().closure_text(kSharedHeader);
  return {.family = "reference_kernels",
          .config = "{}",
          .target = loader.target().name(),
          .options = jit::code_options(),
          .source_digest = cache::sha256(text).hex(),
          .schema = 1};
}

cache::Entry compile(runtime::KernelLoader& loader, const cache::KeyFields& fields) {
  jit::Cubin cubin = jit::compile(
      loader.nvrtc(), jit::Templates::embedded(),
      {.source = {.name = "reference kernels", .text = device_text(), .entry = kEntry, .header = kSharedHeader},
       .target = jit::Target::parse(fields.target),
       .seed = fields.key().hex()});
  cache::Entry entry;
  entry.fields = fields;
  entry.compiler = {"nvrtc", cubin.compiler.major, cubin.compiler.minor};
  entry.entry_point = kEntry;
  entry.image = std::move(cubin.image);
  entry.log = std::move(cubin.log);
  entry.compile_seconds = cubin.seconds;
  return entry;
}

}  // namespace

std::string device_text() {
  std::string text;
  for (const char* name :
       {"params.h", "decode_params.h", "numbers.cuh", "attention.cuh", "decode.cuh", "merge.cuh", "tensors.cuh"}) {
    text += as_part(embedded_text(name));
  }
  return text;
}

cache::Found prepare_reference_kernels(runtime::KernelLoader& loader) {
  const cache::KernelCache::Request request{.fields = key_fields(loader), .wish = {}};
  return loader.cache().get(request, [&] { return compile(loader, request.fields); });
}

ReferenceKernels::ReferenceKernels(runtime::KernelLoader& loader) : driver_(runtime::Driver::get()) {
  const cache::Found found = prepare_reference_kernels(loader);
  driver_.check(
      driver_.cuLibraryLoadData(&library_, found.entry->image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
      "cuLibraryLoadData of the reference kernels");
  const auto kernel = [&](const char* name) {
    CUkernel handle = nullptr;
    driver_.check(driver_.cuLibraryGetKernel(&handle, library_, name), name);
    return handle;
  };
  kernels_ = {.reference_bf16 = kernel("attnjit_reference_bf16"),
              .reference_f16 = kernel("attnjit_reference_f16"),
              .yardstick_bf16 = kernel("attnjit_yardstick_bf16"),
              .yardstick_f16 = kernel("attnjit_yardstick_f16"),
              .decode_reference_bf16 = kernel("attnjit_decode_reference_bf16"),
              .decode_reference_f16 = kernel("attnjit_decode_reference_f16"),
              .decode_yardstick_bf16 = kernel("attnjit_decode_yardstick_bf16"),
              .decode_yardstick_f16 = kernel("attnjit_decode_yardstick_f16"),
              .merge = kernel("attnjit_reference_merge"),
              .fill = kernel("attnjit_reference_fill"),
              .take = kernel("attnjit_reference_take"),
              .count = kernel("attnjit_reference_count"),
              .scatter = kernel("attnjit_reference_scatter")};
}

ReferenceKernels::~ReferenceKernels() { driver_.cuLibraryUnload(library_); }

void ReferenceKernels::launch(CUkernel kernel, i64 blocks, unsigned threads, const void* params,
                              CUstream stream) const {
  if (blocks <= 0) return;
  CUlaunchConfig config{};
  config.gridDimX = static_cast<unsigned>(blocks);
  config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = threads;
  config.blockDimY = config.blockDimZ = 1;
  config.hStream = stream;
  void* arguments[] = {const_cast<void*>(params)};
  driver_.check(driver_.cuLaunchKernelEx(&config, reinterpret_cast<CUfunction>(kernel), arguments, nullptr),
                "cuLaunchKernelEx of a reference kernel");
}

void ReferenceKernels::attend(CUkernel bf16, CUkernel f16, const AttentionParams& params, Element element,
                              CUstream stream) const {
  constexpr int kRowsPerBlock = 4;  // kAttentionWarps of device/attention.cuh
  const bool fits = params.nope_columns + params.pe_columns <= kMaxColumns && params.v_columns <= kMaxColumns;
  if (!fits) throw std::logic_error("the reference kernels take heads of up to 256 columns");
  const i64 blocks = static_cast<i64>(params.tokens_q + kRowsPerBlock - 1) / kRowsPerBlock * params.heads;
  launch(element == Element::kBFloat16 ? bf16 : f16, blocks, kRowsPerBlock * 32, &params, stream);
}

void ReferenceKernels::reference(const AttentionParams& params, Element element, CUstream stream) const {
  attend(kernels_.reference_bf16, kernels_.reference_f16, params, element, stream);
}

void ReferenceKernels::yardstick(const AttentionParams& params, Element element, CUstream stream) const {
  attend(kernels_.yardstick_bf16, kernels_.yardstick_f16, params, element, stream);
}

void ReferenceKernels::decode(CUkernel bf16, CUkernel f16, const DecodeParams& params, Element element,
                              CUstream stream) const {
  constexpr int kRowsPerBlock = 4;  // kDecodeWarps of device/decode.cuh
  const i64 rows = i64{params.tokens} * params.heads;
  launch(element == Element::kBFloat16 ? bf16 : f16, (rows + kRowsPerBlock - 1) / kRowsPerBlock, kRowsPerBlock * 32,
         &params, stream);
}

void ReferenceKernels::decode_reference(const DecodeParams& params, Element element, CUstream stream) const {
  decode(kernels_.decode_reference_bf16, kernels_.decode_reference_f16, params, element, stream);
}

void ReferenceKernels::decode_yardstick(const DecodeParams& params, Element element, CUstream stream) const {
  decode(kernels_.decode_yardstick_bf16, kernels_.decode_yardstick_f16, params, element, stream);
}

namespace {

constexpr unsigned kThreads = 256;
constexpr i64 kMostBlocks = 8192;  // the kernels use grid-stride loops

i64 blocks_for(i64 elements) { return std::min((elements + kThreads - 1) / kThreads, kMostBlocks); }

}  // namespace

void ReferenceKernels::merge(const MergeParams& params, CUstream stream) const {
  launch(kernels_.merge, blocks_for(i64{params.tokens} * params.heads * params.columns), kThreads, &params, stream);
}

void ReferenceKernels::fill(const FillParams& params, CUstream stream) const {
  launch(kernels_.fill, blocks_for(i64{params.tokens} * params.heads * params.columns), kThreads, &params, stream);
}

void ReferenceKernels::take(const TakeParams& params, CUstream stream) const {
  launch(kernels_.take, blocks_for(i64{params.tokens} * params.heads * params.columns), kThreads, &params, stream);
}

void ReferenceKernels::count(const CountParams& params, CUstream stream) const {
  launch(kernels_.count, blocks_for(params.elements), kThreads, &params, stream);
}

void ReferenceKernels::scatter(const ScatterParams& params, CUstream stream) const {
  launch(kernels_.scatter, blocks_for(i64{params.rows} * params.row_bytes), kThreads, &params, stream);
}

}  // namespace attnjit::reference
