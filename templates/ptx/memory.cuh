// Moves between memory spaces and registers, up to 16 bytes wide, and asynchronous copies from global to shared memory.
#pragma once

#include "ptx/builtins.cuh"
#include "shared/vectors.h"

namespace attnjit::kernel {

/// PTX ISA 9.7.9.25.3.1, cp.async.cg: copies 16 bytes to shared memory, bypassing L1; writes zeros if `valid` is false,
/// without reading `source`.
ATTNJIT_DEVICE void cp_async_16(u32 destination, const void* source, bool valid) {
  const u32 bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(destination), "l"(source), "r"(bytes)
               : "memory");
}
/// The same with cp.async.ca and 4 bytes, which needs only word alignment.
ATTNJIT_DEVICE void cp_async_4(u32 destination, const void* source, bool valid) {
  const u32 bytes = valid ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(destination), "l"(source), "r"(bytes) : "memory");
}
/// PTX ISA 9.7.9.25.3.2, cp.async.commit_group.
ATTNJIT_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// PTX ISA 9.7.9.25.3.3, cp.async.wait_group: waits until at most kPending of this thread's newest groups are in
/// flight.
template <int kPending>
ATTNJIT_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

/// PTX ISA 9.7.9.8, ld.shared.v4.b32.
ATTNJIT_DEVICE Vec16 load_shared_16(u32 address) {
  Vec16 v;
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.word[0]), "=r"(v.word[1]), "=r"(v.word[2]), "=r"(v.word[3])
               : "r"(address)
               : "memory");
  return v;
}
/// PTX ISA 9.7.9.11, st.shared.v4.b32.
ATTNJIT_DEVICE void store_shared_16(u32 address, const Vec16& v) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.word[0]), "r"(v.word[1]),
               "r"(v.word[2]), "r"(v.word[3])
               : "memory");
}
/// PTX ISA 9.7.9.8, ld.shared.b32.
ATTNJIT_DEVICE u32 load_shared(u32 address) {
  u32 value;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(value) : "r"(address) : "memory");
  return value;
}
/// PTX ISA 9.7.13.7, red.shared.or.b32.
ATTNJIT_DEVICE void atomic_or_shared(u32 address, u32 bits) {
  asm volatile("red.shared.or.b32 [%0], %1;" ::"r"(address), "r"(bits) : "memory");
}
/// PTX ISA 9.7.13.6, atom.global.add.u32, relaxed: ordering comes from elsewhere.
ATTNJIT_DEVICE u32 atomic_add_global(u32* address, u32 value) { return atomicAdd(address, value); }
/// PTX ISA 9.7.9.8, ld.shared.v2.f32 and ld.shared.f32.
ATTNJIT_DEVICE Float2 load_shared_float2(u32 address) {
  Float2 v;
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(v.x), "=f"(v.y) : "r"(address) : "memory");
  return v;
}
ATTNJIT_DEVICE float load_shared_float(u32 address) {
  float value;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(value) : "r"(address) : "memory");
  return value;
}
/// PTX ISA 9.7.9.11, st.shared.v2.f32.
ATTNJIT_DEVICE void store_shared(u32 address, Float2 v) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};" ::"r"(address), "f"(v.x), "f"(v.y) : "memory");
}
/// PTX ISA 9.7.9.11, st.shared.b32 and st.shared.b16.
ATTNJIT_DEVICE void store_shared(u32 address, u32 value) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
}
ATTNJIT_DEVICE void store_shared(u32 address, u16 value) {
  asm volatile("st.shared.b16 [%0], %1;" ::"r"(address), "h"(value) : "memory");
}
/// PTX ISA 9.7.9.8, ld.global.v2.f32, and 9.7.9.11, st.global.v2.f32; the compiler may reorder them.
ATTNJIT_DEVICE Float2 load_global_float2(const float* address) { return *reinterpret_cast<const Float2*>(address); }
ATTNJIT_DEVICE void store_global(void* address, Float2 value) { *static_cast<Float2*>(address) = value; }
/// PTX ISA 9.7.9.8, ld.global.v4.b32; the compiler may reorder it.
ATTNJIT_DEVICE Vec16 load_global_16(const void* address) { return *static_cast<const Vec16*>(address); }
/// PTX ISA 9.7.9.11, st.global.b32 and st.global.b16.
ATTNJIT_DEVICE void store_global(void* address, u32 value) {
  asm volatile("st.global.b32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
}
ATTNJIT_DEVICE void store_global(void* address, u16 value) {
  asm volatile("st.global.b16 [%0], %1;" ::"l"(address), "h"(value) : "memory");
}
/// PTX ISA 9.7.9.11, st.global.v4.b32.
ATTNJIT_DEVICE void store_global_16(void* address, const Vec16& v) {
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(v.word[0]), "r"(v.word[1]),
               "r"(v.word[2]), "r"(v.word[3])
               : "memory");
}

}  // namespace attnjit::kernel
