// The functions that -fsanitize=thread calls before each memory access. Included only by objects for race checks, which
// are linked without the sanitizer's own runtime. Accesses outside shared memory are ignored.
#pragma once

#include "ptx/machine.h"

#define ATTNJIT_HOOK extern "C" __attribute__((no_sanitize("thread"), visibility("hidden"), used)) void

namespace attnjit::emulator {

__attribute__((no_sanitize("thread"))) inline void hook(const void* place, const void* pointer, u64 bytes,
                                                        bool is_write) {
  current_machine->direct_access(place, pointer, static_cast<u32>(bytes), is_write);
}

}  // namespace attnjit::emulator

#define ATTNJIT_RACE_HOOK(name, bytes, is_write)                                    \
  ATTNJIT_HOOK __tsan_##name(void* pointer) {                                       \
    attnjit::emulator::hook(__builtin_return_address(0), pointer, bytes, is_write); \
  }
ATTNJIT_RACE_HOOK(read1, 1, false)
ATTNJIT_RACE_HOOK(read2, 2, false)
ATTNJIT_RACE_HOOK(read4, 4, false)
ATTNJIT_RACE_HOOK(read8, 8, false)
ATTNJIT_RACE_HOOK(read16, 16, false)
ATTNJIT_RACE_HOOK(write1, 1, true)
ATTNJIT_RACE_HOOK(write2, 2, true)
ATTNJIT_RACE_HOOK(write4, 4, true)
ATTNJIT_RACE_HOOK(write8, 8, true)
ATTNJIT_RACE_HOOK(write16, 16, true)
ATTNJIT_RACE_HOOK(unaligned_read2, 2, false)
ATTNJIT_RACE_HOOK(unaligned_read4, 4, false)
ATTNJIT_RACE_HOOK(unaligned_read8, 8, false)
ATTNJIT_RACE_HOOK(unaligned_read16, 16, false)
ATTNJIT_RACE_HOOK(unaligned_write2, 2, true)
ATTNJIT_RACE_HOOK(unaligned_write4, 4, true)
ATTNJIT_RACE_HOOK(unaligned_write8, 8, true)
ATTNJIT_RACE_HOOK(unaligned_write16, 16, true)
ATTNJIT_HOOK __tsan_read_range(void* pointer, unsigned long bytes) {
  attnjit::emulator::hook(__builtin_return_address(0), pointer, bytes, false);
}
ATTNJIT_HOOK __tsan_write_range(void* pointer, unsigned long bytes) {
  attnjit::emulator::hook(__builtin_return_address(0), pointer, bytes, true);
}
// Further calls made by clang. The Machine's vtable is not in shared memory.
ATTNJIT_HOOK __tsan_vptr_read(void**) {}
ATTNJIT_HOOK __tsan_vptr_update(void**, void*) {}
extern "C" __attribute__((no_sanitize("thread"), visibility("hidden"), used)) void* __tsan_memcpy(void* to,
                                                                                                  const void* from,
                                                                                                  unsigned long bytes) {
  attnjit::emulator::hook(__builtin_return_address(0), from, bytes, false);
  attnjit::emulator::hook(__builtin_return_address(0), to, bytes, true);
  return __builtin_memcpy(to, from, bytes);
}
extern "C" __attribute__((no_sanitize("thread"), visibility("hidden"), used)) void* __tsan_memset(void* to, int value,
                                                                                                  unsigned long bytes) {
  attnjit::emulator::hook(__builtin_return_address(0), to, bytes, true);
  return __builtin_memset(to, value, bytes);
}
ATTNJIT_HOOK __tsan_init() {}
ATTNJIT_HOOK __tsan_func_entry(void*) {}
ATTNJIT_HOOK __tsan_func_exit(void*) {}
#undef ATTNJIT_RACE_HOOK
#undef ATTNJIT_HOOK
