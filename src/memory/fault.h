/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies that survive a bad address.
 *
 * The instructions that touch a foreign address are listed in an exception
 * table; when one faults (SIGSEGV, SIGBUS), the signal handler finds it there
 * and resumes at its fix-up, which reports how much was not copied. No state
 * is kept, so it works on any thread, in a signal handler, and nested.
 */
#ifndef RF_MEMORY_FAULT_H
#define RF_MEMORY_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

/* Copies; either side may fault. Returns the bytes not copied: 0 is success. */
size_t fault_copy(void *dst, const void *src, size_t len);

/* Whether one byte can be read / is writable (read and stored back atomically, unchanged). */
bool fault_can_read(const void *addr);
bool fault_can_write(void *addr);

/*
 * For whoever owns the signal handler: if the context stopped in one of the
 * functions above, aim it at the fix-up and say true. Async-signal-safe.
 */
bool fault_fixup(ucontext_t *uc);

/*
 * For a library without an interposer: handle SIGSEGV and SIGBUS, passing on
 * what is not ours to the handler found there. Once; later calls do nothing.
 * 0 or a negative errno.
 */
int fault_install(void);

/* The caller handles both signals itself, with fault_fixup(): fault_install() does nothing. */
void fault_installed_elsewhere(void);

#endif
