// pthread_cancel() waits until the thread has left the library.
//
// A cancelled thread unwinds from whatever call waits, through frames that must not throw (destructors, the C ABI),
// which ends the process. C++ libraries that can tell such an unwinding from an exception have a type for it
// (abi::__forced_unwind), others have none, so it is not let in at all.
#pragma once

#include <pthread.h>

namespace attnjit::process {

class NoCancellation {
 public:
  NoCancellation() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NoCancellation() { pthread_setcancelstate(before_, nullptr); }
  NoCancellation(const NoCancellation&) = delete;
  NoCancellation& operator=(const NoCancellation&) = delete;

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace attnjit::process
