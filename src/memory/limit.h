/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much memory may be locked: a number, or what the host allows the calling
 * thread at that moment, as Linux asks at each mapping.
 */
#ifndef RF_MEMORY_LIMIT_H
#define RF_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LIMIT_NONE UINT64_MAX
#define LIMIT_HOST (UINT64_MAX - 1) /* RLIMIT_MEMLOCK, none with CAP_IPC_LOCK */

/* Whether the calling thread has this capability (CAP_*, of the first 32) in effect. */
bool thread_may(unsigned capability);

/*
 * The bytes that a setting allows now. LIMIT_HOST costs a system call, and a second
 * where there is a limit: whoever asks for the host's limit wants the present one, and
 * setrlimit() and prlimit() of other processes tell nobody.
 */
uint64_t limit_now(uint64_t setting);

/* Bytes that process @pid has locked itself (VmLck); 0 when that is not to be known. */
uint64_t limit_mlocked(pid_t pid);

#endif
