/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read-copy-update: the slots of threads, and the writer's side.
 *
 * Why a writer misses nobody. It has taken the thing away, and then has every
 * processor make a full fence. A reader whose store to its count came before that
 * fence is seen inside, and waited for. One whose store came after it loads later
 * still, and finds the thing gone. In between is nothing.
 *
 * Why the wait ends: a count only has to be another one, or even. A reader that
 * leaves and comes back has seen the change.
 *
 * A signal handler may come between a thread's load of its count and the store. It
 * leaves the count even, but two higher, and the store then sets it back by one: odd
 * still, and no writer takes that for the thread being outside.
 *
 * A child of fork() has one thread: all slots but its own are empty there.
 */
#include "base/rcu.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/pause.h"

_Thread_local struct rcu_slot *rcu_self;
static _Thread_local unsigned rcu_gated; /* sections of this thread that passed the gate */
atomic_bool rcu_fenced = true;

static struct rcu_slot slots[RCU_SLOTS];
static atomic_uint nr_slots; /* those from here on were never used */
static struct gate gate;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static atomic_bool ready; /* the key is there */
static atomic_bool settled = true; /* every reader inside has seen rcu_fenced, if it is set */
static _Thread_local volatile bool gate_only; /* is about to have a slot, or had one */

#define KEYS_IN_PLACE 32u /* of a thread, in the C library; it allocates for more */

static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

static void slot_give_back(struct rcu_slot *slot)
{
	atomic_store_explicit(&slot->used, false, memory_order_release);
}

/*
 * A thread ends, perhaps from inside: it looks at nothing any more. Destructors that
 * come after this may look, but a slot that they took would stay taken.
 */
static void slot_thread_ends(void *value)
{
	struct rcu_slot *slot = value;
	unsigned long count = atomic_load_explicit(&slot->count, memory_order_relaxed);

	gate_only = true;
	rcu_self = NULL;
	atomic_store_explicit(&slot->count, count + (count & 1), memory_order_release);
	slot_give_back(slot);
}

static void rcu_begin(void)
{
	bool fenced = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0;

	atomic_store(&settled, fenced);
	atomic_store(&rcu_fenced, fenced);
}

static void rcu_child(void)
{
	for (unsigned i = 0; i < RCU_SLOTS; i++) {
		if (&slots[i] == rcu_self)
			continue;
		atomic_store(&slots[i].count, 0);
		atomic_store(&slots[i].used, false);
	}
	if (!rcu_gated) {
		atomic_store(&gate.inside, 0);
		atomic_store(&gate.waiter, 0);
	}
	rcu_begin();
}

static void rcu_init_once(void)
{
	rcu_begin();
	/* without the key, or without being told of children, everybody passes the gate */
	if (pthread_key_create(&key, slot_thread_ends))
		return;
	if (key < KEYS_IN_PLACE && !pthread_atfork(NULL, NULL, rcu_child))
		atomic_store(&ready, true);
}

void rcu_init(void)
{
	pthread_once(&once, rcu_init_once);
}

/* To at least @nr. A locked instruction, whatever it finds. */
static void slots_raise(unsigned nr)
{
	unsigned old = atomic_fetch_add(&nr_slots, 0);

	while (old < nr && !atomic_compare_exchange_weak(&nr_slots, &old, nr))
		;
}

static struct rcu_slot *slot_claim(void)
{
	for (unsigned i = 0; i < RCU_SLOTS; i++) {
		struct rcu_slot *slot = &slots[i];

		if (atomic_load_explicit(&slot->used, memory_order_relaxed) ||
		    atomic_exchange(&slot->used, true))
			continue;
		slots_raise(i + 1);
		return slot;
	}
	return NULL;
}

/* A signal handler that comes in between passes the gate, or the thread would have two. */
static bool slot_get(void)
{
	struct rcu_slot *slot;

	gate_only = true;
	atomic_signal_fence(memory_order_seq_cst);
	slot = slot_claim();
	if (slot && pthread_setspecific(key, slot)) {
		slot_give_back(slot);
		slot = NULL;
	}
	rcu_self = slot;
	atomic_signal_fence(memory_order_seq_cst);
	gate_only = false;
	return slot;
}

unsigned rcu_enter_slow(void)
{
	if (atomic_load(&ready) && !gate_only && slot_get())
		return rcu_enter();
	rcu_gated++;
	return RCU_GATED + gate_enter(&gate);
}

void rcu_leave_slow(unsigned token)
{
	gate_leave(&gate, token - RCU_GATED);
	rcu_gated--;
}

bool rcu_inside(void)
{
	const struct rcu_slot *slot = rcu_self;

	return rcu_gated || (slot && atomic_load_explicit(&slot->count, memory_order_relaxed) & 1);
}

static void slot_wait(struct rcu_slot *slot)
{
	unsigned long count = atomic_load_explicit(&slot->count, memory_order_acquire);
	unsigned round = 0;

	while (count & 1 && atomic_load_explicit(&slot->count, memory_order_acquire) == count)
		pause_round(&round);
}

/*
 * All processors that run a thread of ours have made a fence. Should the kernel no
 * longer do it for us (the program has closed a sandbox around itself), readers do
 * from now on. Those who looked whether to before that have made their stores, which
 * are out soon: every writer waits for that until one has.
 */
static void fence_all(void)
{
	if (!atomic_load(&rcu_fenced)) {
		if (!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
			return;
		atomic_store(&rcu_fenced, true);
	}
	if (atomic_load(&settled))
		return;
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	atomic_store(&settled, true);
}

int rcu_sync(void)
{
	unsigned nr;

	if (rcu_inside())
		return -EDEADLK;
	slots_raise(1); /* a fence of ours: a locked instruction */
	fence_all();
	nr = atomic_load(&nr_slots);
	for (unsigned i = 0; i < nr; i++)
		slot_wait(&slots[i]);
	gate_sync(&gate);
	return 0;
}

void rcu_set_fenced(bool fenced)
{
	if (!fenced) {
		rcu_begin();
		return;
	}
	atomic_store(&rcu_fenced, true);
	atomic_store(&settled, true);
}
