// C structs into those of the C++ API, by the lists of their fields (operators/fields.h).
#pragma once

#include <optional>
#include <tuple>
#include <type_traits>

#include "attnjit/mla_decode.hpp"
#include "capi/support.h"
#include "operators/fields.h"

namespace attnjit::c_api {

/// What the caller gave, or an error that names the struct and the field. Views of tensors belong to `device`.
template <class Cpp>
Cpp from_c(const typename runtime::Fields<Cpp>::C* given, int device = ContextOptions::kNoDevice);

template <class Cpp, class Member, class C, class CMember>
Member value_of(const runtime::Field<Member Cpp::*, CMember C::*>& field, const C& c, const char* type, int device) {
  const CMember from = c.*field.c;
  if constexpr (std::is_same_v<Member, Tensor>) {
    return view(field.name, from, device);
  } else if constexpr (std::is_same_v<Member, bool>) {
    return read_flag(from, type, field.name);
  } else if constexpr (std::is_same_v<Member, DType>) {
    return read_dtype(from, type, field.name);
  } else if constexpr (std::is_same_v<Member, std::optional<DType>>) {
    return from == -1 ? std::nullopt : std::optional(read_dtype(from, type, field.name));
  } else if constexpr (std::is_same_v<Member, CacheFormat>) {
    return static_cast<CacheFormat>(from);  // any other value is refused with the config
  } else if constexpr (std::is_pointer_v<CMember>) {
    return from_c<Member>(from, device);
  } else {
    static_assert(std::is_same_v<Member, CMember>, "a number has one type in C and C++");
    return from;
  }
}

template <class Cpp, class C, class CData, class CBytes>
Workspace value_of(const runtime::WorkspaceField<Workspace Cpp::*, CData, CBytes>& field, const C& c, const char*,
                   int) {
  return {c.*field.c_data, c.*field.c_bytes};
}

template <class Cpp>
Cpp from_c(const typename runtime::Fields<Cpp>::C* given, int device) {
  using List = runtime::Fields<Cpp>;
  const typename List::C c = read(given, List::kStruct);
  // In place: a call has up to sixteen views.
  return std::apply([&](const auto&... field) { return Cpp{value_of(field, c, List::kStruct.name, device)...}; },
                    List::kList);
}

}  // namespace attnjit::c_api
