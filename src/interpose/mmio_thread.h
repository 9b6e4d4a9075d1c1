/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a thread that traps keeps: its decode cache, the copies it runs out of
 * line, and scratch too large for a signal stack.
 */
#ifndef RF_INTERPOSE_MMIO_THREAD_H
#define RF_INTERPOSE_MMIO_THREAD_H

#include "interpose/outline.h"

#define MMIO_CACHE_BITS 8
#define MMIO_CACHE_LEN	(1u << MMIO_CACHE_BITS)

/**
 * struct mmio_thread - one thread's block
 * @home: address of the thread's own pointer to it; anything else: not (or no
 *	longer, after fork) this thread's
 * @owner: thread id; atomic, for other threads look for blocks of dead ones
 * @next: all blocks, newest first
 * @busy: inside mmio_execute()
 * @arena: copies; the one of cache entry n in place n. Empty until needed
 * @decoder, @formatter, @refusal: scratch
 * @cache: indexed by a hash of RIP
 */
struct mmio_thread {
	const void *home;
	int owner;
	struct mmio_thread *next;
	bool busy;
	struct outline_arena arena;
	struct insn_decoder decoder;
	ZydisFormatter formatter;
	char refusal[224];
	struct insn cache[MMIO_CACHE_LEN];
};

/* The calling thread's block, made at first call; NULL without memory. Async-signal-safe. */
struct mmio_thread *mmio_thread_self(void);

#endif
