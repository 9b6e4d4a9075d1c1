/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read-copy-update: looking at what others may take away, for less than a gate.
 *
 * A gate (gate.h) belongs to one device and costs two locked instructions to pass.
 * Where one structure is looked at from every thread that would be both dear and a
 * cache line that all fight for. Here each thread has a line of its own, with a count
 * that is odd while the thread is inside, and enters and leaves by plain stores; the
 * fence that this takes is made by the writer, on all processors at once (membarrier).
 * Where the kernel refuses that, readers make it.
 *
 * rcu_enter() never fails, waits, allocates or blocks, may nest, and may be called in
 * a signal handler. A thread takes its line at its first use and gives it back as it
 * ends. When all lines are taken, before rcu_init(), in threads that are ending, and
 * where the C library would allocate for it, it passes a gate instead.
 *
 * The state is the process's, as membarrier and threads are.
 */
#ifndef RF_BASE_RCU_H
#define RF_BASE_RCU_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/gate.h"

#define RCU_SLOTS 256u /* threads that read at full speed at the same time */

struct rcu_slot {
	_Alignas(64) atomic_ulong count; /* odd: inside */
	atomic_bool used;
};

/* The thread's own slot; its place in the static block of those makes it one load. */
extern _Thread_local struct rcu_slot *rcu_self __attribute__((tls_model("initial-exec")));
extern atomic_bool rcu_fenced; /* readers make the fence */

enum rcu_token { RCU_NESTED, RCU_OUTERMOST, RCU_GATED };

/* Before anything is shared by this means. Any number of times, any thread. Never fails. */
void rcu_init(void);
unsigned rcu_enter_slow(void);
void rcu_leave_slow(unsigned token);

/* Returns the token for rcu_leave(), which is called in the same thread. */
static inline unsigned rcu_enter(void)
{
	struct rcu_slot *slot = rcu_self;
	unsigned long count;

	if (__builtin_expect(!slot, 0))
		return rcu_enter_slow();
	count = atomic_load_explicit(&slot->count, memory_order_relaxed);
	if (count & 1)
		return RCU_NESTED;
	atomic_store_explicit(&slot->count, count + 1, memory_order_relaxed);
	/* that store before all loads inside: the compiler by this, the processor by membarrier */
	__asm__ volatile("" ::: "memory");
	/* or by this. After the store: who is held up here has made it, see fence_all() */
	if (__builtin_expect(atomic_load_explicit(&rcu_fenced, memory_order_relaxed), 0))
		atomic_fetch_add_explicit(&slot->count, 0, memory_order_seq_cst);
	return RCU_OUTERMOST;
}

static inline void rcu_leave(unsigned token)
{
	struct rcu_slot *slot = rcu_self;

	if (__builtin_expect(token == RCU_OUTERMOST, 1))
		atomic_store_explicit(&slot->count,
				      atomic_load_explicit(&slot->count, memory_order_relaxed) + 1,
				      memory_order_release);
	else if (token >= RCU_GATED)
		rcu_leave_slow(token);
}

/* Whether this thread is inside. */
bool rcu_inside(void);

/*
 * Wait until nobody is inside who was when this was called: what was taken away before
 * may then be freed. 0, or -EDEADLK from inside.
 */
int rcu_sync(void);

/* For tests: do as on a kernel without membarrier. While nobody is inside. */
void rcu_set_fenced(bool fenced);

#endif
