#include "runtime/host_callbacks.h"

#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "cache/shown_text.h"

namespace attnjit::runtime {
namespace {

/// A Context's log callback, shared by the lines held for it.
struct Log {
  explicit Log(LogCallback callback) : call(std::move(callback)) {}
  LogCallback call;
  std::atomic<bool> has_thrown = false;
};

struct Line {
  std::shared_ptr<Log> log;
  LogLevel level;
  std::string message;
};

/// This thread's callback state. Plain integers, and a list that exists only while lines are held, so no thread has a
/// destructor to run.
thread_local constinit int callbacks_running = 0;
thread_local constinit std::vector<Line>* held_lines = nullptr;
thread_local constinit int holders = 0;

class CallbackStay {
 public:
  CallbackStay() { ++callbacks_running; }
  ~CallbackStay() { --callbacks_running; }
  CallbackStay(const CallbackStay&) = delete;
  CallbackStay& operator=(const CallbackStay&) = delete;

 private:
  process::NoCancellation no_cancellation_;
};

void has_thrown(Log& log, const char* what) noexcept {
  if (log.has_thrown.exchange(true)) return;
  std::fprintf(
      stderr,
      "attnjit: warning: the log callback threw (%s); what it throws is dropped, and the warnings that it throws "
      "at are written here\n",
      what);
}

void tell(Log& log, LogLevel level, const std::string& message) noexcept {
  try {
    const CallbackStay stay;
    log.call(level, shown_lines(message));  // UTF-8, without terminal control characters
    return;
  } catch (const std::exception& error) {
    has_thrown(log, error.what());
  } catch (...) {
    has_thrown(log, "no std::exception");
  }
  log_warnings_to_stderr(level, message);
}

}  // namespace

void log_warnings_to_stderr(LogLevel level, const std::string& message) {
  if (level != LogLevel::kWarning) return;
  std::string shown = "no memory to show it";
  try {
    shown = shown_lines(message);
  } catch (const std::bad_alloc&) {
  }
  std::fprintf(stderr, "attnjit: warning: %s\n", shown.c_str());
}

bool inside_host_callback() { return callbacks_running > 0; }

LogCallback guard_log(LogCallback log) {
  return [log = std::make_shared<Log>(std::move(log))](LogLevel level, const std::string& message) {
    if (inside_host_callback()) return log_warnings_to_stderr(level, message);
    if (holders > 0) {
      try {
        if (held_lines == nullptr) held_lines = new std::vector<Line>;
        held_lines->push_back({log, level, message});
        return;
      } catch (const std::bad_alloc&) {  // no memory to hold it: log it now
      }
    }
    tell(*log, level, message);
  };
}

MissCallback guard_miss(MissCallback miss) {
  if (!miss) return {};
  return [miss = std::move(miss)](const Miss& missing) {
    if (inside_host_callback()) return;
    const CallbackStay stay;
    miss(missing);
  };
}

HeldLogLines::HeldLogLines() { ++holders; }

HeldLogLines::~HeldLogLines() {
  if (--holders > 0 || held_lines == nullptr) return;
  const std::unique_ptr<std::vector<Line>> lines(std::exchange(held_lines, nullptr));
  for (const Line& line : *lines) tell(*line.log, line.level, line.message);
}

}  // namespace attnjit::runtime
