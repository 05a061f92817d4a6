/* Stands in for libnvrtc in tests that only find and choose one: it has a version and compiles nothing. A copy of it
   also serves as its own libnvrtc-builtins, from which nothing is called. */

int nvrtcVersion(int* major, int* minor) {
  *major = FAKE_MAJOR;
  *minor = FAKE_MINOR;
  return 0;
}

#ifndef FAKE_INCOMPLETE
enum { kSuccess = 0, kInternalError = 11 };

const char* nvrtcGetErrorString(int result) {
  (void)result;
  return "a fake compiles nothing";
}
int nvrtcGetNumSupportedArchs(int* count) {
  *count = 3;
  return kSuccess;
}
int nvrtcGetSupportedArchs(int* archs) {
  archs[0] = 80;
  archs[1] = 90;
  archs[2] = 100;
  return kSuccess;
}
int nvrtcCreateProgram(void) { return kInternalError; }
int nvrtcDestroyProgram(void) { return kInternalError; }
int nvrtcCompileProgram(void) { return kInternalError; }
int nvrtcGetProgramLogSize(void) { return kInternalError; }
int nvrtcGetProgramLog(void) { return kInternalError; }
int nvrtcGetCUBINSize(void) { return kInternalError; }
int nvrtcGetCUBIN(void) { return kInternalError; }
int nvrtcGetPTXSize(void) { return kInternalError; }
int nvrtcGetPTX(void) { return kInternalError; }
#endif
