/* Each call's name is one symbol here, so a header must not redirect any of them to another. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE
#include "tests/cache/faulty_calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

enum { MOST_DESCRIPTORS = 4096, MOST_ERRORS = 12 };

/* Errors that the manual, or a network file system, gives for each kind of call. */
struct kind {
  const char* name;
  int errors[MOST_ERRORS]; /* terminated by 0 */
};
static struct kind k_open = {"open", {EACCES, EMFILE, ENFILE, ENOMEM, EIO, EINTR, ENOSPC, EROFS, ESTALE, EPERM}};
static struct kind k_close = {"close", {EINTR, EIO}};
static struct kind k_read = {"read", {EIO, EINTR, ESTALE}};
static struct kind k_write = {"write", {ENOSPC, EIO, EDQUOT, EINTR, EFBIG}};
static struct kind k_sync = {"sync", {EIO, ENOSPC, EDQUOT, EROFS}};
static struct kind k_truncate = {"truncate", {EIO, ENOSPC, EINTR, EPERM}};
static struct kind k_lock = {"lock", {ENOLCK, EINTR, EIO, EAGAIN, EACCES}};
static struct kind k_unlock = {"unlock", {ENOLCK, EINTR, EIO}};
static struct kind k_stat = {"stat", {EACCES, EIO, ENOMEM, ESTALE, EINTR}};
static struct kind k_unlink = {"unlink", {EACCES, EIO, EPERM, EBUSY, EROFS}};
static struct kind k_rename = {"rename", {EACCES, EIO, ENOSPC, EBUSY, EPERM}};
static struct kind k_mkdir = {"mkdir", {EACCES, EIO, ENOSPC, EROFS}};
static struct kind k_mode = {"mode", {EPERM, EIO, EROFS}};
static struct kind k_map = {"map", {ENOMEM, EACCES, ENODEV}};
static struct kind k_random = {"random", {EINTR, EAGAIN, ENOSYS}};
static struct kind k_pipe = {"pipe", {EMFILE, ENFILE}};
static struct kind* const kinds[] = {&k_open, &k_close,  &k_read,   &k_write,  &k_sync,   &k_truncate,
                                     &k_lock, &k_unlock, &k_stat,   &k_unlink, &k_rename, &k_mkdir,
                                     &k_mode, &k_map,    &k_random, &k_pipe};

enum { KINDS = sizeof kinds / sizeof *kinds };

static atomic_long* counts;     /* by kind; shared with the processes forked from this one */
static atomic_uint probability; /* per million */
static atomic_ulong killer;     /* the call before which the process is killed, counted from 1; 0: none */
static atomic_ulong called;
static atomic_ulong drawn;
static uint64_t first;
static char scope[4096];
static size_t scope_length;
static atomic_bool watched[MOST_DESCRIPTORS];

static void watch_folder(const char* folder) {
  snprintf(scope, sizeof scope, "%s", folder);
  scope_length = strlen(scope);
}

SHOWN void attnjit_arm_faulty_calls(unsigned seed, unsigned per_million, const char* folder) {
  probability = 0;
  drawn = 0;
  first = seed * UINT64_C(0x9e3779b97f4a7c15);
  watch_folder(folder);
  probability = per_million;
}

SHOWN void attnjit_kill_at_call(unsigned long number, const char* folder) {
  watch_folder(folder);
  called = 0;
  killer = number;
}

SHOWN long attnjit_failed_calls(const char* name) {
  long sum = 0;
  for (int i = 0; i < KINDS; ++i) {
    if (!name || strcmp(kinds[i]->name, name) == 0) sum += counts[i];
  }
  return sum;
}

__attribute__((constructor)) static void begin(void) {
  counts = mmap(NULL, KINDS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counts == MAP_FAILED) abort();
  const char* const text = getenv("ATTNJIT_FAULTY_CALLS");
  unsigned seed, per_million;
  int end = 0;
  if (text && sscanf(text, "%u:%u:%n", &seed, &per_million, &end) == 2 && end > 0) {
    attnjit_arm_faulty_calls(seed, per_million, text + end);
  }
}

/* splitmix64 */
static uint64_t draw(void) {
  uint64_t z = first + (atomic_fetch_add(&drawn, 1) + 1) * UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static int fails(struct kind* kind, int in_scope) {
  if (killer != 0 && in_scope && atomic_fetch_add(&called, 1) + 1 == killer) kill(getpid(), SIGKILL);
  const unsigned limit = probability;
  if (limit == 0 || !in_scope || draw() % 1000000 >= limit) return 0;
  int count = 0;
  while (kind->errors[count]) ++count;
  for (int i = 0; i < KINDS; ++i) counts[i] += kinds[i] == kind;
  errno = kind->errors[draw() % (uint64_t)count];
  return 1;
}

static int descriptor_in_scope(int descriptor) {
  return descriptor >= 0 && descriptor < MOST_DESCRIPTORS && watched[descriptor];
}

static int path_in_scope(const char* path) {
  if ((probability == 0 && killer == 0) || !path) return 0;
  int descriptor;
  if (sscanf(path, "/proc/self/fd/%d", &descriptor) == 1) return descriptor_in_scope(descriptor);
  return strncmp(path, scope, scope_length) == 0 || strcmp(path, "/dev/urandom") == 0;
}

static int in_scope_at(int folder, const char* path) {
  return path_in_scope(path) || (path && path[0] != '/' && descriptor_in_scope(folder));
}

static int watch(int descriptor, int in_scope) {
  if (descriptor >= 0 && descriptor < MOST_DESCRIPTORS) watched[descriptor] = in_scope;
  return descriptor;
}

#define NEXT(name)                                              \
  static __typeof__(name)* next;                                \
  if (!next) next = (__typeof__(name)*)dlsym(RTLD_NEXT, #name); \
  if (!next) abort()

#define OPEN(name)                                      \
  SHOWN int name(const char* path, int flags, ...) {    \
    NEXT(name);                                         \
    va_list arguments;                                  \
    va_start(arguments, flags);                         \
    const mode_t mode = (mode_t)va_arg(arguments, int); \
    va_end(arguments);                                  \
    const int in_scope = path_in_scope(path);           \
    if (fails(&k_open, in_scope)) return -1;            \
    return watch(next(path, flags, mode), in_scope);    \
  }
#define OPENAT(name)                                             \
  SHOWN int name(int folder, const char* path, int flags, ...) { \
    NEXT(name);                                                  \
    va_list arguments;                                           \
    va_start(arguments, flags);                                  \
    const mode_t mode = (mode_t)va_arg(arguments, int);          \
    va_end(arguments);                                           \
    const int in_scope = in_scope_at(folder, path);              \
    if (fails(&k_open, in_scope)) return -1;                     \
    return watch(next(folder, path, flags, mode), in_scope);     \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

SHOWN int close(int descriptor) {
  NEXT(close);
  const int in_scope = descriptor_in_scope(descriptor);
  watch(descriptor, 0); /* before another thread gets this number */
  const int result = next(descriptor);
  return result == 0 && fails(&k_close, in_scope) ? -1 : result;
}

#define FCNTL(name)                                                                                                   \
  SHOWN int name(int descriptor, int command, ...) {                                                                  \
    NEXT(name);                                                                                                       \
    va_list arguments;                                                                                                \
    va_start(arguments, command);                                                                                     \
    void* const argument = va_arg(arguments, void*); /* an int is in the same register */                             \
    va_end(arguments);                                                                                                \
    const int locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK ||                          \
                      command == F_OFD_SETLKW || command == F_GETLK || command == F_OFD_GETLK;                        \
    if (locks &&                                                                                                      \
        fails(((struct flock*)argument)->l_type == F_UNLCK ? &k_unlock : &k_lock, descriptor_in_scope(descriptor))) { \
      return -1;                                                                                                      \
    }                                                                                                                 \
    const int result = next(descriptor, command, argument);                                                           \
    const int copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;                                              \
    return copies ? watch(result, descriptor_in_scope(descriptor)) : result;                                          \
  }
FCNTL(fcntl)
FCNTL(fcntl64)

#define CALL(name, type, kind, in_scope, parameters, arguments, failure) \
  SHOWN type name parameters {                                           \
    NEXT(name);                                                          \
    if (fails(&kind, in_scope)) return failure;                          \
    return next arguments;                                               \
  }
#define ON_DESCRIPTOR(name, type, kind, parameters, arguments) \
  CALL(name, type, kind, descriptor_in_scope(fd), parameters, arguments, -1)
#define ON_PATH(name, type, kind, parameters, arguments) \
  CALL(name, type, kind, path_in_scope(path), parameters, arguments, -1)
#define ON_PATH_AT(name, type, kind, parameters, arguments) \
  CALL(name, type, kind, in_scope_at(folder, path), parameters, arguments, -1)

ON_DESCRIPTOR(read, ssize_t, k_read, (int fd, void* bytes, size_t size), (fd, bytes, size))
ON_DESCRIPTOR(pread, ssize_t, k_read, (int fd, void* bytes, size_t size, off_t at), (fd, bytes, size, at))
ON_DESCRIPTOR(pread64, ssize_t, k_read, (int fd, void* bytes, size_t size, off64_t at), (fd, bytes, size, at))
ON_DESCRIPTOR(write, ssize_t, k_write, (int fd, const void* bytes, size_t size), (fd, bytes, size))
ON_DESCRIPTOR(pwrite, ssize_t, k_write, (int fd, const void* bytes, size_t size, off_t at), (fd, bytes, size, at))
ON_DESCRIPTOR(pwrite64, ssize_t, k_write, (int fd, const void* bytes, size_t size, off64_t at), (fd, bytes, size, at))
ON_DESCRIPTOR(fsync, int, k_sync, (int fd), (fd))
ON_DESCRIPTOR(fdatasync, int, k_sync, (int fd), (fd))
ON_DESCRIPTOR(ftruncate, int, k_truncate, (int fd, off_t size), (fd, size))
ON_DESCRIPTOR(ftruncate64, int, k_truncate, (int fd, off64_t size), (fd, size))
ON_DESCRIPTOR(fstat, int, k_stat, (int fd, struct stat* status), (fd, status))
ON_DESCRIPTOR(fstat64, int, k_stat, (int fd, struct stat64* status), (fd, status))
ON_DESCRIPTOR(fchmod, int, k_mode, (int fd, mode_t mode), (fd, mode))
ON_DESCRIPTOR(fchown, int, k_mode, (int fd, uid_t user, gid_t group), (fd, user, group))
ON_PATH(lchown, int, k_mode, (const char* path, uid_t user, gid_t group), (path, user, group))
ON_PATH(stat, int, k_stat, (const char* path, struct stat* status), (path, status))
ON_PATH(stat64, int, k_stat, (const char* path, struct stat64* status), (path, status))
ON_PATH(lstat, int, k_stat, (const char* path, struct stat* status), (path, status))
ON_PATH(lstat64, int, k_stat, (const char* path, struct stat64* status), (path, status))
ON_PATH(access, int, k_stat, (const char* path, int mode), (path, mode))
ON_PATH(readlink, ssize_t, k_stat, (const char* path, char* text, size_t size), (path, text, size))
ON_PATH(unlink, int, k_unlink, (const char* path), (path))
ON_PATH(mkdir, int, k_mkdir, (const char* path, mode_t mode), (path, mode))
ON_PATH(rename, int, k_rename, (const char* path, const char* to), (path, to))
ON_PATH_AT(fstatat, int, k_stat, (int folder, const char* path, struct stat* status, int flags),
           (folder, path, status, flags))
ON_PATH_AT(fstatat64, int, k_stat, (int folder, const char* path, struct stat64* status, int flags),
           (folder, path, status, flags))
ON_PATH_AT(renameat, int, k_rename, (int folder, const char* path, int to_folder, const char* to),
           (folder, path, to_folder, to))
ON_PATH_AT(unlinkat, int, k_unlink, (int folder, const char* path, int flags), (folder, path, flags))
CALL(mmap, void*, k_map, descriptor_in_scope(fd),
     (void* address, size_t size, int protection, int flags, int fd, off_t at),
     (address, size, protection, flags, fd, at), MAP_FAILED)
CALL(mmap64, void*, k_map, descriptor_in_scope(fd),
     (void* address, size_t size, int protection, int flags, int fd, off64_t at),
     (address, size, protection, flags, fd, at), MAP_FAILED)
CALL(getrandom, ssize_t, k_random, 1, (void* bytes, size_t size, unsigned flags), (bytes, size, flags), -1)
CALL(pipe2, int, k_pipe, 1, (int ends[2], int flags), (ends, flags), -1)
