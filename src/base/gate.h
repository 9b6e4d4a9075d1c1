/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Gates: how unmap knows that no device is still inside a translation.
 *
 * A reader enters the gate, looks things up, uses what it found, and leaves.
 * A writer first takes the thing away, then calls gate_sync(): once it returns
 * no reader still uses what was there before. Readers that enter later see the
 * change. Readers never wait; one gate a device keeps them off each other's
 * cache lines. With nobody inside gate_sync() costs two loads.
 *
 * This is sleepable RCU in its smallest form: two counters and a bit that says
 * which one newcomers use. gate_enter() is a locked instruction, hence a full
 * barrier; gate_sync() starts with one.
 */
#ifndef RF_BASE_GATE_H
#define RF_BASE_GATE_H

#include <stdatomic.h>

struct gate {
	_Alignas(64) atomic_uint inside[2];
	atomic_uint turn;
};

/* Returns the token for gate_leave(). May nest. */
static inline unsigned gate_enter(struct gate *gate)
{
	unsigned turn = atomic_load_explicit(&gate->turn, memory_order_relaxed) & 1;

	atomic_fetch_add_explicit(&gate->inside[turn], 1, memory_order_seq_cst);
	return turn;
}

static inline void gate_leave(struct gate *gate, unsigned token)
{
	atomic_fetch_sub_explicit(&gate->inside[token], 1, memory_order_release);
}

/* Waits; never from inside the same gate. Writers of one gate take turns (the caller's lock). */
void gate_sync(struct gate *gate);

#endif
