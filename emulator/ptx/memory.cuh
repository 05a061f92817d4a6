// Memory moves and asynchronous copies on the emulator.
#pragma once

#include "ptx/builtins.cuh"
#include "shared/vectors.h"

namespace attnjit::kernel {

ATTNJIT_DEVICE void cp_async_16(u32 destination, const void* source, bool valid, Site site = Site::here()) {
  machine().async_copy(site, destination, source, 16, valid ? 16 : 0);
}
ATTNJIT_DEVICE void cp_async_4(u32 destination, const void* source, bool valid, Site site = Site::here()) {
  machine().async_copy(site, destination, source, 4, valid ? 4 : 0);
}
ATTNJIT_DEVICE void cp_async_commit(Site site = Site::here()) { machine().async_commit(site); }
template <int kPending>
ATTNJIT_DEVICE void cp_async_wait(Site site = Site::here()) {
  machine().async_wait(site, kPending);
}

ATTNJIT_DEVICE Vec16 load_shared_16(u32 address, Site site = Site::here()) {
  Vec16 v;
  __builtin_memcpy(&v, machine().read_shared(site, address, 16), 16);
  return v;
}
ATTNJIT_DEVICE void store_shared_16(u32 address, const Vec16& v, Site site = Site::here()) {
  __builtin_memcpy(machine().write_shared(site, address, 16), &v, 16);
}
ATTNJIT_DEVICE u32 load_shared(u32 address, Site site = Site::here()) {
  u32 value;
  __builtin_memcpy(&value, machine().read_shared(site, address, 4), 4);
  return value;
}
ATTNJIT_DEVICE void atomic_or_shared(u32 address, u32 bits, Site site = Site::here()) {
  machine().atomic_or_shared(site, address, bits);
}
/// All CUDA threads are fibers of one host thread, so nothing can intervene.
ATTNJIT_DEVICE u32 atomic_add_global(u32* address, u32 value, Site site = Site::here()) {
  machine().check_global(site, address, 4);
  const u32 before = *address;
  *address = before + value;
  return before;
}
ATTNJIT_DEVICE Float2 load_shared_float2(u32 address, Site site = Site::here()) {
  Float2 v;
  __builtin_memcpy(&v, machine().read_shared(site, address, 8), 8);
  return v;
}
ATTNJIT_DEVICE float load_shared_float(u32 address, Site site = Site::here()) {
  float value;
  __builtin_memcpy(&value, machine().read_shared(site, address, 4), 4);
  return value;
}
ATTNJIT_DEVICE void store_shared(u32 address, Float2 v, Site site = Site::here()) {
  __builtin_memcpy(machine().write_shared(site, address, 8), &v, 8);
}
ATTNJIT_DEVICE void store_shared(u32 address, u32 value, Site site = Site::here()) {
  __builtin_memcpy(machine().write_shared(site, address, 4), &value, 4);
}
ATTNJIT_DEVICE void store_shared(u32 address, u16 value, Site site = Site::here()) {
  __builtin_memcpy(machine().write_shared(site, address, 2), &value, 2);
}
ATTNJIT_DEVICE Float2 load_global_float2(const float* address, Site site = Site::here()) {
  machine().check_global(site, address, 8);
  Float2 v;
  __builtin_memcpy(&v, address, 8);
  return v;
}
ATTNJIT_DEVICE void store_global(void* address, Float2 value, Site site = Site::here()) {
  machine().check_global(site, address, 8);
  __builtin_memcpy(address, &value, 8);
}
ATTNJIT_DEVICE Vec16 load_global_16(const void* address, Site site = Site::here()) {
  machine().check_global(site, address, 16);
  Vec16 v;
  __builtin_memcpy(&v, address, 16);
  return v;
}
ATTNJIT_DEVICE void store_global(void* address, u32 value, Site site = Site::here()) {
  machine().check_global(site, address, 4);
  __builtin_memcpy(address, &value, 4);
}
ATTNJIT_DEVICE void store_global(void* address, u16 value, Site site = Site::here()) {
  machine().check_global(site, address, 2);
  __builtin_memcpy(address, &value, 2);
}
ATTNJIT_DEVICE void store_global_16(void* address, const Vec16& v, Site site = Site::here()) {
  machine().check_global(site, address, 16);
  __builtin_memcpy(address, &v, 16);
}

}  // namespace attnjit::kernel
