// Runs this program again as a fresh process, for benchmarks of what happens once per process.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace attnjit::bench {

/// Processes wait at the gate, so that they start their work together.
class Gate {
 public:
  Gate();
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  int read_end() const { return read_end_; }
  void open();
  /// In the child: returns once the gate is open.
  static void wait_at_standard_input();

 private:
  int read_end_ = -1;
  int write_end_ = -1;
};

class ChildProcess {
 public:
  /// Runs /proc/self/exe with these arguments. Its standard input is the gate; its standard output is read by
  /// finish().
  ChildProcess(const std::vector<std::string>& arguments, const Gate& gate);

  /// Waits for it to exit and returns what it printed. Throws std::runtime_error unless it exited with status 0.
  std::string finish();

 private:
  pid_t pid_ = -1;
  int output_ = -1;
};

}  // namespace attnjit::bench
