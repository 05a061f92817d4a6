/* System calls that fail at random, or before which the process is killed, for a process that uses the cache.
 *
 * In scope: calls on files in one folder and below (by path, through a descriptor of the folder, or on a descriptor
 * opened that way), calls on /dev/urandom, and every getrandom() and pipe2(). Out of scope: anything the process would
 * not start without, that is the dynamic loader, allocation, threads and its standard streams. Calls that libc makes
 * internally are not seen. A failing call has no effect, except that a failing close() closes.
 *
 * Link it, or use it with any program by LD_PRELOAD and ATTNJIT_FAULTY_CALLS=SEED:PER_MILLION:FOLDER. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/** From now on `per_million` of the calls in scope fail; 0: none. */
void attnjit_arm_faulty_calls(unsigned seed, unsigned per_million, const char* folder);
/** Kills this process with SIGKILL before call `number` in scope, counted from 1; 0: never. */
void attnjit_kill_at_call(unsigned long number, const char* folder);
/** How many calls have failed so far in this process and those forked from it: calls of one kind ("open" includes
 * openat()), or all (NULL). */
long attnjit_failed_calls(const char* kind);

#ifdef __cplusplus
}
#endif
