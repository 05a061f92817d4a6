// Types shared by host and device code. NVRTC has no <cstdint>, so the integer names are our own.
#pragma once

#ifdef __CUDACC_RTC__
#define ATTNJIT_HOST_DEVICE __host__ __device__
#else
#define ATTNJIT_HOST_DEVICE
#endif

namespace attnjit::kernel {

using u8 = unsigned char;
using u16 = unsigned short;
using i32 = int;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;

/// Element type of a tensor, as a kernel sees it.
enum class Element : int { kFloat16 = 0, kBFloat16 = 1, kFloat8E4M3 = 2, kFloat32 = 3 };

/// The names with which a config's enum is written as text: the type in source, the value in JSON.
ATTNJIT_HOST_DEVICE constexpr const char* type_name(Element) { return "Element"; }
ATTNJIT_HOST_DEVICE constexpr const char* value_name(Element element) {
  switch (element) {
    case Element::kFloat16: return "f16";
    case Element::kBFloat16: return "bf16";
    case Element::kFloat8E4M3: return "e4m3";
    case Element::kFloat32: return "f32";
  }
  return "?";
}

ATTNJIT_HOST_DEVICE constexpr int bytes_of(Element element) {
  return element == Element::kFloat8E4M3 ? 1 : element == Element::kFloat32 ? 4 : 2;
}

ATTNJIT_HOST_DEVICE constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }
ATTNJIT_HOST_DEVICE constexpr int max_of(int a, int b) { return a > b ? a : b; }
ATTNJIT_HOST_DEVICE constexpr int min_of(int a, int b) { return a < b ? a : b; }

}  // namespace attnjit::kernel

// A KernelConfig is declared from ONE list of its fields, FIELDS(FIELD) with FIELD(type, name) entries. It yields the
// members and visit(), from which source text, key, JSON and command line are made.
#define ATTNJIT_FIELD_MEMBER(type, name) type name{};
#define ATTNJIT_FIELD_VISIT(type, name) visitor(#name, name);
#define ATTNJIT_CONFIG_MEMBERS(FIELDS)                               \
  FIELDS(ATTNJIT_FIELD_MEMBER)                                       \
  template <class Visitor>                                           \
  ATTNJIT_HOST_DEVICE constexpr void visit(Visitor& visitor) const { \
    FIELDS(ATTNJIT_FIELD_VISIT)                                      \
  }
