// The end of the host's process: exit() destroys NVRTC's data while other threads may still be compiling.
//
// A handler of ours runs before that: it closes the library, stops compiles through NVRTC's flow callback, and waits, a
// second at most, until the threads inside have left. Threads that enter later are held at the entrance: an error would
// be nobody's fault, and often a signal would end the process and replace its exit status. They are held for some
// seconds, not forever, because a host that joins its threads late in exit() must be able to finish.
#pragma once

namespace attnjit::process {

/// Registers the handler, again if already registered: handlers run in reverse order, so this is called again after
/// NVRTC has registered those that destroy its data.
void watch_exit();

/// Whether this process has begun exit().
bool exiting();

/// Marks a thread as inside the library; stays nest. Destructors need none: a store may be closed at any time.
class LibraryStay {
 public:
  LibraryStay();
  ~LibraryStay();
  LibraryStay(const LibraryStay&) = delete;
  LibraryStay& operator=(const LibraryStay&) = delete;
  /// False if the process is exiting and this thread, not the one that called exit(), was held to the limit.
  bool entered() const { return entered_; }
  /// Call this when an exception is about to leave: it ends the outermost stay, and holds the thread there if the
  /// process is exiting. The destructor cannot do it: an uncaught exception ends the process without running
  /// destructors.
  void fails();

 private:
  void end();

  bool entered_ = true;
};

}  // namespace attnjit::process
