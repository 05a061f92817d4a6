// 16-byte moves and the asynchronous copy, on the emulator.
#pragma once

#include "ptx/builtins.cuh"

namespace attnjit::kernel {

struct Vec16 {
  u32 word[4];
};

ATTNJIT_DEVICE void cp_async_16(u32 destination, const void* source, bool valid, Site site = Site::here()) {
  machine().async_copy(site, destination, source, 16, valid ? 16 : 0);
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
ATTNJIT_DEVICE void store_shared(u32 address, u32 value, Site site = Site::here()) {
  __builtin_memcpy(machine().write_shared(site, address, 4), &value, 4);
}
ATTNJIT_DEVICE void store_shared(u32 address, u16 value, Site site = Site::here()) {
  __builtin_memcpy(machine().write_shared(site, address, 2), &value, 2);
}
ATTNJIT_DEVICE void store_global_16(void* address, const Vec16& v, Site site = Site::here()) {
  machine().check_global(site, address, 16);
  __builtin_memcpy(address, &v, 16);
}

}  // namespace attnjit::kernel
