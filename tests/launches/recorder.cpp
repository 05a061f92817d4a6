#include "tests/launches/recorder.h"

#include <elf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "cache/key.h"
#include "templates/shared/check_indices_params.h"
#include "templates/shared/merge_states_params.h"
#include "templates/shared/mla_decode_params.h"
#include "templates/shared/sm90_mha_varlen_config.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/gpu/digests.h"

namespace attnjit::launches {
namespace {

using Bytes = std::vector<unsigned char>;

/// What a recorder has to know about a kernel's one parameter, by the name of its type in KernelSpec.
struct Parameter {
  std::size_t size;
  void (*clear_unset)(Bytes& bytes, const gpu_tests::Json& config);
};

template <class T>
void clear_unset_members(T&, const gpu_tests::Json&) {}
/// The kernel has no code that reads the tensor maps of columns or masks that its config does not have.
void clear_unset_members(kernel::Sm90MhaVarlenParams& params, const gpu_tests::Json& config) {
  if (config["rope_dim"] == 0) params.q_pe = params.k_pe = {};
  if (config["rope_dim"] == config["head_dim_qk"]) params.q_nope = params.k_nope = {};
  if (!config["masked"]) params.mask = {};
}

/// Clears memory that nothing reads, padding included: its value is arbitrary.
template <class T>
void clear_unset(Bytes& bytes, const gpu_tests::Json& config) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  clear_unset_members(value, config);
  __builtin_clear_padding(&value);
  std::memcpy(bytes.data(), &value, sizeof value);
}

template <class T>
constexpr Parameter parameter() {
  return {sizeof(T), &clear_unset<T>};
}

const Parameter& parameter_of(const runtime::KernelPlan& plan) {
  static const std::map<std::string, Parameter> known{
      {"CheckIndicesParams", parameter<kernel::CheckIndicesParams>()},
      {"MaskFromTopkParams", parameter<kernel::MaskFromTopkParams>()},
      {"MergeStatesParams", parameter<kernel::MergeStatesParams>()},
      {"MhaVarlenParams", parameter<kernel::MhaVarlenParams>()},
      {"MlaDecodeParams", parameter<kernel::MlaDecodeParams>()},
      {"Sm90MhaVarlenParams", parameter<kernel::Sm90MhaVarlenParams>()},
  };
  const auto found = known.find(plan.spec.params_type);
  if (found == known.end()) {
    throw std::logic_error(
        fmt::format("{} has a {}: name it in tests/launches/recorder.cpp", plan.spec.family, plan.spec.params_type));
  }
  return found->second;
}

/// The key that the stand-in compiler wrote after the header of its image.
std::string key_in(const void* image) {
  constexpr std::size_t kHexDigits = 64;
  return {static_cast<const char*>(image) + sizeof(Elf64_Ehdr), kHexDigits};
}

/// Replaces host addresses, which differ between processes, by one number.
void replace_host_addresses(Bytes& bytes) {
  constexpr std::uint64_t kSomeHostMemory = 0x1111;
  const auto& known = fake_cuda::state().host_memory;
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
    const void* word = nullptr;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    if (std::ranges::find(known, word) == known.end()) continue;
    std::memcpy(bytes.data() + at, &kSomeHostMemory, sizeof kSomeHostMemory);
  }
}

}  // namespace

void use_stand_ins(const std::string& driver, const std::string& compiler) {
  setenv("ATTNJIT_LIBCUDA", driver.c_str(), 1);
  setenv("ATTNJIT_NVRTC", compiler.c_str(), 1);
  setenv("ATTNJIT_CACHE", ":memory:", 1);
  fake_cuda::reset();
  fake_cuda::state().read_image = key_in;
}

Recorder::Recorder(const std::vector<runtime::KernelPlan>& plans, const runtime::KernelLoader& loader) {
  for (const runtime::KernelPlan& plan : plans) {
    plans_.emplace(loader.key_fields(plan).key().hex(), plan);
    fake_cuda::state().parameter_bytes[plan.spec.entry()] = parameter_of(plan).size;
  }
}

void Recorder::begin() {
  fake_cuda::state().launches.clear();
  fake_cuda::state().allocations.clear();  // so that addresses do not depend on earlier calls
}

void Recorder::end(const std::string& name) {
  const auto [text, is_new] = texts_.try_emplace(name);
  if (!is_new) throw std::logic_error(name + " is recorded twice");
  for (const fake_cuda::Launch& launch : fake_cuda::state().launches) {
    const auto plan = plans_.find(launch.image);
    if (plan == plans_.end()) continue;  // one of the tests' own kernels
    Bytes bytes = launch.parameter;
    parameter_of(plan->second).clear_unset(bytes, gpu_tests::Json::parse(plan->second.spec.config_json()));
    replace_host_addresses(bytes);
    const std::string line =
        fmt::format("{} {} grid and CTA {} smem {} attributes {}{} stream {} parameter {:02x}\n",
                    plan->second.spec.family, plan->second.spec.config_json(), fmt::join(launch.shape, " "),
                    launch.smem_bytes, fmt::join(launch.attributes, " "), launch.overlaps_previous ? " overlaps" : "",
                    reinterpret_cast<std::uintptr_t>(launch.stream), fmt::join(bytes, ""));
    text->second += line;
    texts_of_families_[plan->second.spec.family] += name + ": " + line;
  }
}

gpu_tests::Recording Recorder::recording() const {
  gpu_tests::Recording recording;
  for (const auto& [name, text] : texts_) recording.calls[name] = cache::sha256(text).hex().substr(0, 16);
  for (const auto& [family, text] : texts_of_families_) recording.families[family] = cache::sha256(text).hex();
  recording.sources = gpu_tests::host_digest();
  return recording;
}

}  // namespace attnjit::launches
