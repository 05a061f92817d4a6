/* An NVRTC of another version: it says FAKE_MAJOR.FAKE_MINOR, and lets the real one, whose path ATTNJIT_TEST_NVRTC is,
   compile. So a cache gets rows of two compilers, and a machine an NVRTC that is older than its GPU. */
#define _DEFAULT_SOURCE
#include <dlfcn.h>
#include <nvrtc.h>
#include <stdlib.h>
#include <unistd.h>

static void* real(const char* name) {
  static void* library = NULL;
  if (library == NULL) library = dlopen(getenv("ATTNJIT_TEST_NVRTC"), RTLD_NOW | RTLD_LOCAL);
  return library == NULL ? NULL : dlsym(library, name);
}
/* ISO C has no conversion from an object pointer to a function; POSIX promises that it works. */
#define REAL(function) __extension__(__typeof__(&function)) real(#function)

/* Opening asks for it: so long does it take, in microseconds, as ATTNJIT_TEST_NVRTC_WAITS says. */
nvrtcResult nvrtcVersion(int* major, int* minor) {
  const char* const waits = getenv("ATTNJIT_TEST_NVRTC_WAITS");
  if (waits != NULL) usleep((useconds_t)atoi(waits));
  *major = FAKE_MAJOR;
  *minor = FAKE_MINOR;
  return NVRTC_SUCCESS;
}
const char* nvrtcGetErrorString(nvrtcResult result) { return (REAL(nvrtcGetErrorString))(result); }
nvrtcResult nvrtcGetNumSupportedArchs(int* count) { return (REAL(nvrtcGetNumSupportedArchs))(count); }
nvrtcResult nvrtcGetSupportedArchs(int* archs) { return (REAL(nvrtcGetSupportedArchs))(archs); }
nvrtcResult nvrtcCreateProgram(nvrtcProgram* program, const char* source, const char* name, int headers,
                               const char* const* texts, const char* const* names) {
  return (REAL(nvrtcCreateProgram))(program, source, name, headers, texts, names);
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) { return (REAL(nvrtcDestroyProgram))(program); }
nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char* const* options) {
  return (REAL(nvrtcCompileProgram))(program, count, options);
}
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* size) {
  return (REAL(nvrtcGetProgramLogSize))(program, size);
}
nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* log) { return (REAL(nvrtcGetProgramLog))(program, log); }
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* size) { return (REAL(nvrtcGetCUBINSize))(program, size); }
nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* cubin) { return (REAL(nvrtcGetCUBIN))(program, cubin); }
nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t* size) { return (REAL(nvrtcGetPTXSize))(program, size); }
nvrtcResult nvrtcGetPTX(nvrtcProgram program, char* ptx) { return (REAL(nvrtcGetPTX))(program, ptx); }
