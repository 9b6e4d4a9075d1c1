/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer's side of gates.
 *
 * A DMA is a copy of some bytes, so whoever is inside is out again within
 * microseconds, unless its thread was preempted: spin a little, then give the
 * processor away, then sleep.
 */
#include "base/gate.h"

#include "base/pause.h"

/* Readers that count in @half, seen by a write so that later ones see ours. */
static uint32_t gate_inside(struct gate *gate, unsigned half)
{
	uint64_t inside = atomic_fetch_add_explicit(&gate->inside, 0, memory_order_seq_cst);

	return (uint32_t)(inside >> (half * 32));
}

static void gate_drain(struct gate *gate, unsigned half)
{
	unsigned round = 0;

	while (gate_inside(gate, half))
		pause_round(&round);
}

void gate_sync(struct gate *gate)
{
	unsigned round = 0;
	unsigned old;

	if (!atomic_fetch_add_explicit(&gate->inside, 0, memory_order_seq_cst))
		return;

	while (atomic_exchange_explicit(&gate->waiter, 1, memory_order_acquire))
		pause_round(&round);

	/* twice: each counter drains while newcomers use the other */
	for (int flip = 0; flip < 2; flip++) {
		old = atomic_fetch_xor_explicit(&gate->turn, 1, memory_order_relaxed) & 1;
		gate_drain(gate, old);
	}
	atomic_store_explicit(&gate->waiter, 0, memory_order_release);
}
