// KernelConfig -> its JSON and about ten lines of source that instantiate a template.
//
// A KernelConfig is a struct in templates/shared with `template <class V> constexpr void visit(V&) const`, which calls
// visitor(name, value) for every field in order: the ONE list of its fields. All text is generated from it here:
// source, JSON, command-line form.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace attnjit::jit {

/// The generated text of one kernel.
struct Source {
  std::string name;  // readable name for errors: "sm80_mha_varlen {...}"
  std::string text;
  std::string entry;   // extern "C" symbol
  std::string header;  // root of the include closure: "kernels/sm80_mha_varlen.cuh"
};

/// One field of a KernelConfig, as text.
struct ConfigField {
  std::string name;
  std::string source;  // C++ initializer: "192", "true", "Element{1}"
  std::string json;    // JSON value: "192", "true", "\"bf16\""
};

/// Collects a config's fields through its visit().
class FieldCollector {
 public:
  template <std::integral T>
  void operator()(const char* name, T value) {
    if constexpr (std::is_same_v<T, bool>) {
      add_bool(name, value);
    } else {
      add_int(name, static_cast<long long>(value));
    }
  }
  /// Enums in templates/shared supply type_name(E) ("Element") and value_name(E) ("bf16"), found by ADL.
  template <class E>
  requires std::is_enum_v<E>
  void operator()(const char* name, E value) {
    add_enum(name, type_name(value), static_cast<long long>(value), value_name(value));
  }
  std::vector<ConfigField> take() { return std::move(fields_); }

 private:
  void add_bool(const char* name, bool value);
  void add_int(const char* name, long long value);
  void add_enum(const char* name, const char* type, long long value, const char* value_name);
  std::vector<ConfigField> fields_;
};

/// A kernel to compile, with its config's type erased.
struct KernelSpec {
  std::string family;       // "sm80_mha_varlen"; also the base name of its files
  std::string config_type;  // "Sm80MhaVarlenConfig"
  std::string params_type;  // "MhaVarlenParams"
  std::vector<ConfigField> fields;

  std::string header() const;       // "kernels/sm80_mha_varlen.cuh"
  std::string entry() const;        // "attnjit_sm80_mha_varlen"
  std::string config_json() const;  // {"element":"bf16","head_dim_qk":192,...}
};

template <class Config>
std::vector<ConfigField> fields_of(const Config& config) {
  FieldCollector collector;
  config.visit(collector);
  return collector.take();
}

/// The text: the include, one constexpr config written with designated initializers, and the entry:
///
///   #include "kernels/FAMILY.cuh"
///   namespace attnjit::kernel {
///   constexpr CONFIG kConfig{.element = Element{1} /* bf16 */, .head_dim_qk = 192};
///   extern "C" __global__ void __launch_bounds__(threads(kConfig), min_ctas_per_sm(kConfig))
///   attnjit_FAMILY(const __grid_constant__ PARAMS params) {
///     FAMILY<kConfig>(params);
///   }
///   }
Source generate(const KernelSpec& spec);

}  // namespace attnjit::jit
