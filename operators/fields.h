// The fields of an operator's public structs, listed once: name, C++ member, member of the C struct. From the lists
// come JSON and KEY=VALUE words (operators/operator_config.h), conversion and struct sizes at the C ABI
// (capi/convert.h) and the layout that Python reads (capi/abi_json.cpp). Each operator has its lists in
// operators/<operator>/fields.h.
#pragma once

#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "attnjit/workspace.hpp"

namespace attnjit::runtime {

/// `cpp` and `c` are pointers to members; both have the same name.
template <class CppMember, class CMember>
struct Field {
  const char* name;
  CppMember cpp;
  CMember c;
  bool required = false;  // text has to give it
};

/// A Workspace, which is a pointer and a size in C.
template <class CppMember, class CData, class CBytes>
struct WorkspaceField {
  const char* name;
  CppMember cpp;
  CData c_data;
  CBytes c_bytes;
};

/// What a C struct is called, and what stands in fields that an older caller's struct does not have.
template <class C>
struct CStruct {
  const char* name;        // "attnjit_mha_varlen_config"
  const char* init_macro;  // sets struct_size
  C defaults;
  std::size_t smallest;            // bytes up to the last field that has no default
  std::size_t reserved_bytes = 0;  // padding that is named, so that no later field hides in it
};

/// Specialised for each public struct with a C counterpart:
///   using Cpp, C             the two structs
///   kStruct                  CStruct<C>
///   kList                    std::tuple of its fields, in the order of the C++ struct
template <class Cpp>
struct Fields;

/// Specialised for each operator's config: kNames, of which the first is printed and all are read; Params.
template <class Config>
struct Operator;

template <class CppMember, class CMember>
constexpr Field<CppMember, CMember> make_field(const char* name, CppMember cpp, CMember c, bool required = false) {
  return {name, cpp, c, required};
}
template <class CppMember, class CData, class CBytes>
constexpr WorkspaceField<CppMember, CData, CBytes> make_workspace_field(const char* name, CppMember cpp, CData c_data,
                                                                        CBytes c_bytes) {
  return {name, cpp, c_data, c_bytes};
}

/// Within a specialisation of Fields. Macros, so that a field is named once.
#define ATTNJIT_FIELD(member) make_field(#member, &Cpp::member, &C::member)
#define ATTNJIT_REQUIRED_FIELD(member) make_field(#member, &Cpp::member, &C::member, true)
#define ATTNJIT_WORKSPACE_FIELD(member, data, bytes) make_workspace_field(#member, &Cpp::member, &C::data, &C::bytes)

template <class Cpp, class Visit>
constexpr void for_each_field(Visit&& visit) {
  std::apply([&](const auto&... field) { (visit(field), ...); }, Fields<Cpp>::kList);
}

// ---- proof that a list is complete and in order

namespace fields_detail {

struct Anything {
  template <class T>
  operator T() const;
};

template <class Struct, std::size_t... kIndices>
constexpr bool has_members(std::index_sequence<kIndices...>) {
  return requires { Struct{(static_cast<void>(kIndices), Anything{})...}; };
}

/// How many members an aggregate has.
template <class Struct, std::size_t kMost = 64>
constexpr std::size_t member_count() {
  if constexpr (kMost == 0 || has_members<Struct>(std::make_index_sequence<kMost>{})) {
    return kMost;
  } else {
    return member_count<Struct, kMost - 1>();
  }
}

template <class Struct, class Member>
std::type_identity<Member> member_of(Member Struct::*);
template <class Pointer>
using MemberType = typename decltype(member_of(std::declval<Pointer>()))::type;

template <class CppMember, class CMember>
constexpr std::size_t c_bytes(const Field<CppMember, CMember>&) {
  return sizeof(MemberType<CMember>);
}
template <class CppMember, class CData, class CBytes>
constexpr std::size_t c_bytes(const WorkspaceField<CppMember, CData, CBytes>&) {
  return sizeof(MemberType<CData>) + sizeof(MemberType<CBytes>);
}

}  // namespace fields_detail

/// The list has every member of the C++ struct, in its order, and every byte of the C struct.
template <class Cpp>
constexpr bool list_is_complete() {
  using namespace fields_detail;
  using List = Fields<Cpp>;
  constexpr Cpp kObject{};
  std::size_t bytes = sizeof(std::size_t) + List::kStruct.reserved_bytes;  // struct_size
  const void* last = nullptr;
  bool in_order = true;
  for_each_field<Cpp>([&](const auto& field) {
    bytes += c_bytes(field);
    const void* member = &(kObject.*field.cpp);
#ifndef __clang__  // does not compare pointers to void in constant expressions
    in_order = in_order && (last == nullptr || last < member);
#endif
    last = member;
  });
  return in_order && bytes == sizeof(typename List::C) &&
         std::tuple_size_v<decltype(List::kList)> == member_count<Cpp>();
}

}  // namespace attnjit::runtime
