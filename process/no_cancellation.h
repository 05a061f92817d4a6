// Delays pthread_cancel() until the thread has left the library.
//
// A cancelled thread unwinds from whatever call waits, through frames that must not throw (destructors, the C ABI),
// which ends the process. Some C++ libraries have a type for such unwinding (abi::__forced_unwind), others do not, so
// cancellation is disabled altogether.
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
