// The only place where the library calls host code: every callback of a Context is wrapped here before anything else
// sees it.
//
// A failing log callback never fails a request. A callback may use the library, even create the very operator it is
// being notified about: inside a callback, a thread waits for no other thread (cache::KernelCache::Request::alone) and
// gets no further callbacks, so it can neither deadlock on itself nor recurse forever.
#pragma once

#include "attnjit/context.hpp"
#include "attnjit/miss.hpp"
#include "process/no_cancellation.h"

namespace attnjit::runtime {

/// Never throws, whatever `log` does: if `log` throws, the line goes to stderr, the first time with the reason. Lines
/// logged from inside a callback on this thread are dropped, except warnings, which go to stderr.
LogCallback guard_log(LogCallback log);
/// Exceptions from `miss` pass through: that is how an engine refuses to compile. Not called from inside a callback. An
/// empty callback stays empty.
MissCallback guard_miss(MissCallback miss);

/// Warnings to stderr: the default for a Context without a log callback.
void log_warnings_to_stderr(LogLevel level, const std::string& message);

/// Whether this thread is inside a host callback.
bool inside_host_callback();

/// While one is alive, guarded logs of this thread buffer their lines; its destructor delivers them. Use it around work
/// other threads wait for: the host's callback may need a lock that one of those threads holds.
class HeldLogLines {
 public:
  HeldLogLines();
  ~HeldLogLines();
  HeldLogLines(const HeldLogLines&) = delete;
  HeldLogLines& operator=(const HeldLogLines&) = delete;
};

}  // namespace attnjit::runtime
