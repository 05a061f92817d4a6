#include "runtime/kernel_builder.h"

#include <fmt/format.h>

#include <utility>

#include "jit/compiler.h"

namespace attnjit::runtime {
namespace {

/// Version of the key format; raise it when the meaning of a field changes.
constexpr int kKeySchema = 1;

std::shared_ptr<const jit::Templates> choose_templates(const std::string& directory) {
  if (directory.empty()) return {std::shared_ptr<void>(), &jit::Templates::embedded()};
  return std::make_shared<const jit::Templates>(jit::Templates::from_directory(directory));
}

}  // namespace

KernelBuilder::KernelBuilder(const std::string& template_dir, jit::NvrtcSearch search, LogCallback log)
    : log_(std::move(log)), compilers_(std::move(search), log_), templates_(choose_templates(template_dir)) {}

const std::string& KernelBuilder::source_digest(const jit::KernelSpec& spec) const {
  const std::lock_guard lock(mutex_);
  std::string& digest = source_digests_[spec.family];
  if (digest.empty()) digest = cache::sha256(templates_->closure_text(spec.header())).hex();
  return digest;
}

cache::KeyFields KernelBuilder::key_fields(const KernelPlan& plan, const jit::Target& target) const {
  return {.family = plan.spec.family,
          .config = plan.spec.config_json(),
          .target = target.name(),
          .options = jit::code_options(),
          .source_digest = source_digest(plan.spec),
          .schema = kKeySchema};
}

cache::Entry KernelBuilder::compile(const KernelPlan& plan, const cache::KeyFields& fields) {
  const jit::Nvrtc& compiler = nvrtc(plan.oldest_compiler);
  log_(LogLevel::kDebug, fmt::format("compiling {} {} for {}", fields.family, fields.config, fields.target));
  jit::Cubin cubin = jit::compile(
      compiler, *templates_,
      {.source = jit::generate(plan.spec), .target = jit::Target::parse(fields.target), .seed = fields.key().hex()});
  cache::Entry entry;
  entry.fields = fields;
  entry.compiler = {kCompilerName, cubin.compiler.major, cubin.compiler.minor};
  entry.entry_point = plan.spec.entry();
  entry.image = std::move(cubin.image);
  entry.resources = {{"registers", cubin.resources.registers},
                     {"stack_bytes", cubin.resources.stack_bytes},
                     {"spill_store_bytes", cubin.resources.spill_store_bytes},
                     {"spill_load_bytes", cubin.resources.spill_load_bytes},
                     {"static_shared_bytes", cubin.resources.static_shared_bytes},
                     {"dynamic_shared_bytes", plan.smem_bytes}};
  entry.log = std::move(cubin.log);
  entry.compile_seconds = cubin.seconds;
  entry.local = templates_->overridden();
  return entry;
}

}  // namespace attnjit::runtime
