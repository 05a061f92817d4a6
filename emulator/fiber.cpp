#include "emulator/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#define ATTNJIT_FIBER_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ATTNJIT_FIBER_ASAN
#endif
#endif
#ifdef ATTNJIT_FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace attnjit::emulator {
namespace {

/// The fiber that switched to the one running now.
thread_local Fiber* left = nullptr;

}  // namespace

#ifndef ATTNJIT_FIBER_UCONTEXT
// System V ABI: these registers are callee-saved. The first switch to a fiber returns into attnjit_fiber_entry, which
// takes the Fiber and the function to call from two of them.
extern "C" void attnjit_fiber_switch(void** save, void* load);
extern "C" void attnjit_fiber_entry();
asm(R"(
.text
.type attnjit_fiber_switch, @function
attnjit_fiber_switch:
  endbr64
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size attnjit_fiber_switch, . - attnjit_fiber_switch
.type attnjit_fiber_entry, @function
attnjit_fiber_entry:
  endbr64
  mov %r12, %rdi
  call *%r13
  ud2
.size attnjit_fiber_entry, . - attnjit_fiber_entry
)");
#endif

Fiber::Fiber(std::size_t stack_bytes) {
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mapping_bytes_ = (stack_bytes + page - 1) / page * page + page;
  mapping_ = mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED) {
    mapping_ = nullptr;
    throw std::bad_alloc();
  }
  mprotect(mapping_, page, PROT_NONE);
  bottom_ = static_cast<char*>(mapping_) + page;
  bytes_ = mapping_bytes_ - page;
}

Fiber::Fiber(Fiber&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(other.mapping_bytes_),
      bottom_(other.bottom_),
      bytes_(other.bytes_) {}

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
#ifdef ATTNJIT_FIBER_ASAN
  __asan_unpoison_memory_region(bottom_, bytes_);
#endif
  munmap(mapping_, mapping_bytes_);
}

void Fiber::start(Entry entry, void* argument) {
  entry_ = entry;
  argument_ = argument;
  fake_stack_ = nullptr;
#ifdef ATTNJIT_FIBER_ASAN
  __asan_unpoison_memory_region(bottom_, bytes_);  // frames of an abandoned run
#endif
#ifdef ATTNJIT_FIBER_UCONTEXT
  getcontext(&context_);
  context_.uc_stack.ss_sp = const_cast<void*>(bottom_);
  context_.uc_stack.ss_size = bytes_;
  context_.uc_link = nullptr;
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::run_halves), 2, static_cast<unsigned>(self),
              static_cast<unsigned>(static_cast<std::uint64_t>(self) >> 32));
#else
  // Top of the stack: what the six pops and the `ret` of the switch read. At attnjit_fiber_entry the stack is 16-byte
  // aligned, so that its call enters the function with the alignment that the ABI requires.
  void** top = static_cast<void**>(mapping_) + mapping_bytes_ / sizeof(void*) - 2;
  *--top = reinterpret_cast<void*>(&attnjit_fiber_entry);
  *--top = nullptr;                               // rbp
  *--top = nullptr;                               // rbx
  *--top = this;                                  // r12
  *--top = reinterpret_cast<void*>(&Fiber::run);  // r13
  *--top = nullptr;                               // r14
  *--top = nullptr;                               // r15
  stack_pointer_ = top;
#endif
}

void Fiber::run(Fiber* self) {
#ifdef ATTNJIT_FIBER_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &left->bottom_, &left->bytes_);
#endif
  self->entry_(self->argument_);
  std::abort();
}

#ifdef ATTNJIT_FIBER_UCONTEXT
void Fiber::run_halves(unsigned low, unsigned high) {
  run(reinterpret_cast<Fiber*>(static_cast<std::uintptr_t>(std::uint64_t{high} << 32 | low)));
}
#endif

void Fiber::switch_to(Fiber& from, Fiber& to, [[maybe_unused]] bool from_ends) {
#ifdef ATTNJIT_FIBER_ASAN
  __sanitizer_start_switch_fiber(from_ends ? nullptr : &from.fake_stack_, to.bottom_, to.bytes_);
#endif
  left = &from;
#ifdef ATTNJIT_FIBER_UCONTEXT
  swapcontext(&from.context_, &to.context_);
#else
  attnjit_fiber_switch(&from.stack_pointer_, to.stack_pointer_);
#endif
#ifdef ATTNJIT_FIBER_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack_, &left->bottom_, &left->bytes_);
#endif
}

}  // namespace attnjit::emulator
