// The one place where the library calls code of its host: every callback of a Context is wrapped here before anybody
// else gets to see it.
//
// What goes wrong in a log callback never costs a request. A callback may use the library, also make the very operator
// that it is told of: inside one a thread waits for nobody (cache::KernelCache::Request::alone) and is told of nothing,
// so that neither a wait for itself nor an endless nesting can come of it.
#pragma once

#include "attnjit/context.hpp"
#include "attnjit/miss.hpp"
#include "process/no_cancellation.h"

namespace attnjit::runtime {

/// Never throws, whatever `log` does: a line that it throws at goes to stderr, the first time with a word on why. A
/// line that a callback of this thread gives rise to is dropped, unless it is a warning, which goes to stderr.
LogCallback guard_log(LogCallback log);
/// What `miss` throws passes through: an engine refuses to compile in that way. Not called from within a callback.
/// Empty stays empty.
MissCallback guard_miss(MissCallback miss);

/// Warnings to stderr: what a Context without a log callback does.
void log_warnings_to_stderr(LogLevel level, const std::string& message);

/// Whether this thread is inside a callback of its host.
bool inside_host_callback();

/// While one lives, guarded logs of this thread keep their lines, and tell them when it ends. For work during which
/// others wait for this thread: the host may hold a lock in its callback for which one of those already has it.
class HeldLogLines {
 public:
  HeldLogLines();
  ~HeldLogLines();
  HeldLogLines(const HeldLogLines&) = delete;
  HeldLogLines& operator=(const HeldLogLines&) = delete;
};

}  // namespace attnjit::runtime
