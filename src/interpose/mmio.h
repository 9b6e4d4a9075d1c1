/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MMIO: executes the instruction that faulted on a BAR, on the saved context.
 *
 * Async-signal-safe; keeps nothing but per-thread decode caches.
 */
#ifndef RF_INTERPOSE_MMIO_H
#define RF_INTERPOSE_MMIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/**
 * struct mmio_target - a mapped piece of a BAR
 * @base: its first address
 * @len: bytes
 * @read: a load of 1 to 64 bytes at @off of the piece
 * @write: likewise a store
 */
struct mmio_target {
	uintptr_t base;
	size_t len;
	void *opaque;
	void (*read)(void *opaque, uint64_t off, void *buf, unsigned size);
	void (*write)(void *opaque, uint64_t off, const void *buf, unsigned size);
};

/* Finds the piece that holds an address: true and *out filled. Async-signal-safe. */
typedef bool mmio_find_fn(uintptr_t addr, struct mmio_target *out);

/*
 * Execute the instruction at the context's RIP, which faulted at @addr. 0:
 * done, RIP stepped over it (a string instruction may have done part and left
 * RIP in place: it will fault again or go on). -EOPNOTSUPP: not a form that
 * can be executed (gather, push, ...): the context is unchanged. -EFAULT: the
 * other operand's memory is not accessible: the context is unchanged.
 *
 * Called with all asynchronous signals blocked (sa_mask) and with SIGSEGV and
 * SIGBUS open, their handler trying fault_fixup() first: device models hold
 * locks in the callbacks, and code and other operands are read fault-safe. Not
 * reentered: a callback that itself faults on a BAR is refused.
 */
int mmio_execute(ucontext_t *uc, uintptr_t addr, mmio_find_fn *find);

/* One line for the log about why the last mmio_execute() of this thread was refused. */
const char *mmio_refusal(void);

/* Decodes since start, for tests and benchmarks. */
uint64_t mmio_decodes(void);

#endif
