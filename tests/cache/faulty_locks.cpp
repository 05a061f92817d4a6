#include "tests/cache/faulty_locks.h"

#include <dlfcn.h>
#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>

namespace attnjit::cache {
namespace {

std::atomic<Locks> state{Locks::kSound};
std::atomic<int> refused{0};

bool is_refused(int command) {
  switch (command) {
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
    case F_OFD_GETLK: return state != Locks::kSound;
    case F_SETLK:
    case F_SETLKW:
    case F_GETLK: return state == Locks::kNone;
    default: return false;
  }
}

int forward(const char* name, int descriptor, int command, void* argument) {
  if (is_refused(command)) {
    ++refused;
    errno = ENOLCK;
    return -1;
  }
  const auto next = reinterpret_cast<int (*)(int, int, ...)>(::dlsym(RTLD_NEXT, name));
  return next(descriptor, command, argument);
}

}  // namespace

void set_locks(Locks locks) {
  state = locks;
  refused = 0;
}

int locks_refused() { return refused; }

}  // namespace attnjit::cache

// Both names: which one a caller uses depends on how it was compiled. The argument is a pointer or an int. Reading it
// and passing it on as a pointer is safe, since both are in the same register.
extern "C" {
__attribute__((visibility("default"))) int fcntl(int descriptor, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return attnjit::cache::forward("fcntl", descriptor, command, argument);
}
__attribute__((visibility("default"))) int fcntl64(int descriptor, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return attnjit::cache::forward("fcntl64", descriptor, command, argument);
}
}
