/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a session counts. The structure lies in a file of the session
 * directory, one a process, so that it outlives the process however that ends;
 * `ringfence run` adds them up. Counters only grow; "left" is a difference.
 */
#ifndef RF_BASE_STATS_H
#define RF_BASE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#define STATS_MAGIC 0x31746174735f6672ull /* "rf_stat1" */

struct stats {
	uint64_t magic;
	_Atomic uint64_t maps; /* mappings made */
	_Atomic uint64_t unmaps; /* mappings ended by the program */
	_Atomic uint64_t maps_dropped; /* ended because their container was closed */
	_Atomic uint64_t mapped_bytes; /* bytes ever mapped */
	_Atomic uint64_t dma_read; /* bytes read by devices */
	_Atomic uint64_t dma_written; /* bytes written by devices */
	_Atomic uint64_t irqs; /* interrupts delivered to an eventfd */
	_Atomic uint64_t faults; /* DMAs dropped */
	_Atomic uint64_t warnings; /* driver mistakes that models reported */
	_Atomic uint64_t mmio_traps; /* loads and stores that trapped */
	_Atomic uint64_t polls; /* doorbells found by polling */
	_Atomic uint64_t opens; /* device descriptors opened */
	_Atomic uint64_t closes; /* device descriptors closed */
	_Atomic uint64_t pins_moved; /* pages unmapped by the program while mapped for DMA */
	_Atomic uint64_t lost_pages; /* the same, where they could not be kept */
};

/* The process's counters: a private block until stats_use() names another. */
struct stats *stats(void);
void stats_use(struct stats *shared);

/*
 * Counting is a plain add in one place of memory: exact within a thread, and
 * cheap enough for a hot path (no locked instruction). Two threads that count
 * at the same instant may lose one; the summary is a report, not an account.
 */
static inline void stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

#endif
