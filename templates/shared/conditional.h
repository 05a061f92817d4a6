// A type chosen by a config, and what stands for a member that a config does not have.
#pragma once

namespace attnjit::kernel {

template <bool kFirst, class First, class Second>
struct ConditionalType {
  using Type = First;
};
template <class First, class Second>
struct ConditionalType<false, First, Second> {
  using Type = Second;
};
template <bool kFirst, class First, class Second>
using Conditional = typename ConditionalType<kFirst, First, Second>::Type;

/// In place of a base or a member that a config does not have.
struct Absent {};

}  // namespace attnjit::kernel
