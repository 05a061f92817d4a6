/* System calls that fail at random, or before which the process is killed, for a process that uses the cache.
 *
 * In scope are calls on files in one folder and below (by path, through a descriptor of the folder, or on a descriptor
 * that was opened so), on /dev/urandom, and getrandom() and pipe2() wherever they come from. Out of scope is what the
 * process would not start without: the dynamic loader, allocation, threads, its standard streams. What libc calls
 * inside itself is not seen. A call that fails has no effect, but for close(), which closes.
 *
 * By linking, or for any program by LD_PRELOAD with ATTNJIT_FAULTY_CALLS=SEED:PER_MILLION:FOLDER. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/** From now on `per_million` of the calls in scope fail; 0: none. */
void attnjit_arm_faulty_calls(unsigned seed, unsigned per_million, const char* folder);
/** Kills this process by SIGKILL before call `number` in scope, counted from 1; 0: never. */
void attnjit_kill_at_call(unsigned long number, const char* folder);
/** How many have failed so far, in this process and those that were forked from it: of the calls of one kind ("open" is
 * openat() as well), or of all (NULL). */
long attnjit_failed_calls(const char* kind);

#ifdef __cplusplus
}
#endif
