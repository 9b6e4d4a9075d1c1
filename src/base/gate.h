/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gates: how unmap knows that no device is still inside a translation.
 *
 * A reader enters the gate, looks things up, uses what it found, and leaves.
 * A writer first takes the thing away, then calls gate_sync(): once it returns
 * no reader still uses what was there before. Readers that enter later see the
 * change. Readers never wait; one gate a device keeps them off each other's
 * cache lines. With nobody inside gate_sync() is one locked instruction.
 *
 * This is sleepable RCU in its smallest form: two counters in one word, and a
 * turn that says which one newcomers use. Correctness does not hang on the
 * turn: a writer may go once it has seen each counter at zero after its
 * change. The turn only keeps newcomers from holding it up. All accesses are
 * read-modify-writes of the one word, so a reader either comes before the
 * writer's look, and is waited for, or after it, and sees the change.
 */
#ifndef RF_BASE_GATE_H
#define RF_BASE_GATE_H

#include <stdatomic.h>
#include <stdint.h>

struct gate {
	_Alignas(64) _Atomic uint64_t inside; /* two counters of 32 bits */
	atomic_uint turn;
	atomic_uint waiter; /* a writer that turns it: one at a time */
};

/* Returns the token for gate_leave(). May nest. */
static inline unsigned gate_enter(struct gate *gate)
{
	unsigned turn = atomic_load_explicit(&gate->turn, memory_order_relaxed) & 1;

	atomic_fetch_add_explicit(&gate->inside, 1ull << (turn * 32), memory_order_seq_cst);
	return turn;
}

static inline void gate_leave(struct gate *gate, unsigned token)
{
	atomic_fetch_sub_explicit(&gate->inside, 1ull << (token * 32), memory_order_release);
}

/* Waits; never from inside the same gate. Any number of writers at once. */
void gate_sync(struct gate *gate);

#endif
