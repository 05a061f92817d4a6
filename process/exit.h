// The end of the host's process, which destroys NVRTC's data while other threads may still compile.
//
// exit() runs a handler of ours before that: it closes the library, stops compiles by NVRTC's own flow callback, and
// waits until the threads inside have left, a second at most. What comes then is held where it enters, since an error
// would be nobody's fault, and often would end the process by a signal in place of its status. Held for some seconds
// and not for ever: a host that joins its threads late in exit() must get to its end.
#pragma once

namespace attnjit::process {

/// Registers the handler, once more if that was done before: handlers run in the reverse order, so this is called again
/// when NVRTC has registered what destroys its data.
void watch_exit();

/// Whether exit() has begun, of this process.
bool exiting();

/// A thread's stay in the library; stays nest. Destructors need none: closing a store is right at any time.
class LibraryStay {
 public:
  LibraryStay();
  ~LibraryStay();
  LibraryStay(const LibraryStay&) = delete;
  LibraryStay& operator=(const LibraryStay&) = delete;
  /// False where the process exits, and this thread, which is not the one that called exit(), has been held for long.
  bool entered() const { return entered_; }
  /// To be called where an exception is on its way out: ends the outermost stay, and holds the thread there if the
  /// process exits. Not by the destructor: an exception that nobody catches ends the process without a destructor.
  void fails();

 private:
  void end();

  bool entered_ = true;
};

}  // namespace attnjit::process
