// Wraps every host call that may wait or compile: blocks thread cancellation and handles process exit and forks.
#pragma once

#include <new>

#include "attnjit/error.hpp"
#include "jit/memory_limit.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/no_cancellation.h"

namespace attnjit::runtime {

/// Runs `body`. Calls may nest.
template <class Body>
auto library_call(const Body& body) {
  const process::NoCancellation no_cancellation;
  process::LibraryStay stay;
  if (!stay.entered()) {
    throw Error(
        Status::kInternal,
        "this process is exiting: nothing is compiled or loaded any more; join the threads that use the library "
        "before exit() or the end of main()");
  }
  try {
    return body();
  } catch (const std::bad_alloc&) {
    stay.fails();
    jit::throw_memory_limit();
    throw;
  } catch (...) {
    stay.fails();
    throw;
  }
}

/// For calls that use a loader, which is unusable in a child forked while another thread was using it.
template <class Body>
auto loader_call(process::Occupancy& loader, const Body& body) {
  return library_call([&] {
    const process::Stay stay(loader);
    if (!stay.entered()) {
      throw Error(Status::kInternal,
                  "this process was forked while another thread was making an operator of this Context, so the child "
                  "cannot use it: make a Context of its own in the child, or fork while no operator is being made");
    }
    return body();
  });
}

}  // namespace attnjit::runtime
