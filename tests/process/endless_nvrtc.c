/* Stands in for libnvrtc where all that matters is that a thread is inside. A compile writes a byte to the descriptor
   named by ATTNJIT_TEST_NVRTC_INSIDE, takes a lock, and runs until NVRTC's flow callback tells it to stop. Like NVRTC,
   it lets exit() destroy what compiles need: a compile that goes on then aborts. A copy serves as its own builtins. */
#define _DEFAULT_SOURCE
#include <nvrtc.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct _nvrtcProgram {
  int (*should_stop)(void* payload, void* reserved);
  void* payload;
};

static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;
static int destroyed; /* atomic */
static int compiling; /* atomic */
static void destroy(void) {
  __atomic_store_n(&destroyed, 1, __ATOMIC_SEQ_CST);
  /* Gives a compile that was not stopped time to run into this and abort. */
  for (int i = 0; i < 10000 && __atomic_load_n(&compiling, __ATOMIC_SEQ_CST); ++i) usleep(500);
}
static void destroy_at_exit(void) { atexit(destroy); }
/* At load time. */
__attribute__((constructor)) static void load(void) { destroy_at_exit(); }

nvrtcResult nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 1;
  return NVRTC_SUCCESS;
}
const char* nvrtcGetErrorString(nvrtcResult result) {
  (void)result;
  return "a stand-in compiles nothing";
}
nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  *count = 1;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetSupportedArchs(int* archs) {
  archs[0] = 80;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCreateProgram(nvrtcProgram* program, const char* source, const char* name, int headers,
                               const char* const* texts, const char* const* names) {
  (void)source, (void)name, (void)headers, (void)texts, (void)names;
  *program = calloc(1, sizeof **program);
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
  free(*program);
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcSetFlowCallback(nvrtcProgram program, int (*callback)(void*, void*), void* payload) {
  program->should_stop = callback;
  program->payload = payload;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char* const* options) {
  static pthread_once_t first = PTHREAD_ONCE_INIT;
  const char* const told = getenv("ATTNJIT_TEST_NVRTC_INSIDE");
  (void)count, (void)options;
  pthread_mutex_lock(&inside);
  pthread_once(&first, destroy_at_exit); /* NVRTC registers some of it late, too */
  __atomic_store_n(&compiling, 1, __ATOMIC_SEQ_CST);
  /* A first pass: from here on the library knows what was registered. */
  int stop = program->should_stop(program->payload, NULL);
  if (told != NULL && write(atoi(told), "x", 1) != 1) abort();
  for (; !stop; stop = program->should_stop(program->payload, NULL)) {
    if (__atomic_load_n(&destroyed, __ATOMIC_SEQ_CST)) abort();
    usleep(500);
  }
  __atomic_store_n(&compiling, 0, __ATOMIC_SEQ_CST);
  pthread_mutex_unlock(&inside);
  return NVRTC_ERROR_COMPILATION;
}
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t* size) {
  (void)program;
  *size = 0;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* log) {
  (void)program, (void)log;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t* size) { return nvrtcGetProgramLogSize(program, size); }
nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* cubin) { return nvrtcGetProgramLog(program, cubin); }
nvrtcResult nvrtcGetPTXSize(nvrtcProgram program, size_t* size) { return nvrtcGetProgramLogSize(program, size); }
nvrtcResult nvrtcGetPTX(nvrtcProgram program, char* ptx) { return nvrtcGetProgramLog(program, ptx); }
