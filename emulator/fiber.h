// Fibers: a CUDA thread is a stack of its own on one host thread, and a switch from one stack to another.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) || defined(ATTNJIT_EMULATOR_UCONTEXT)
#define ATTNJIT_FIBER_UCONTEXT
#include <ucontext.h>
#endif

namespace attnjit::emulator {

class Fiber {
 public:
  using Entry = void (*)(void*);

  /// The stack that is already running: the host's own.
  Fiber() = default;
  explicit Fiber(std::size_t stack_bytes);
  ~Fiber();
  Fiber(Fiber&& other) noexcept;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  Fiber& operator=(Fiber&&) = delete;

  /// The next switch to it calls entry(argument), which must not return. Whatever it was running before is abandoned:
  /// nothing on its stack is destroyed.
  void start(Entry entry, void* argument);

  /// Switches from `from`, which must be running, to `to`. Returns when somebody switches back to `from`; with
  /// `from_ends`, nobody will.
  static void switch_to(Fiber& from, Fiber& to, bool from_ends = false);

 private:
  [[noreturn]] static void run(Fiber* self);
#ifdef ATTNJIT_FIBER_UCONTEXT
  static void run_halves(unsigned low, unsigned high);
  ucontext_t context_{};
#else
  void* stack_pointer_ = nullptr;
#endif
  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  void* mapping_ = nullptr;  // guard page, then the stack
  std::size_t mapping_bytes_ = 0;
  // What AddressSanitizer needs to know about the stack.
  const void* bottom_ = nullptr;
  std::size_t bytes_ = 0;
  void* fake_stack_ = nullptr;
};

}  // namespace attnjit::emulator
