/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Out-of-line execution: a copy of the program's instruction, its memory
 * operand redirected to a buffer, run with the program's registers.
 */
#ifndef RF_INTERPOSE_OUTLINE_H
#define RF_INTERPOSE_OUTLINE_H

#include "interpose/decode.h"

/* Bytes that a copy may take: at most 15, a return, and room to align. */
#define OUTLINE_STUB_SIZE 32

/*
 * Components of the extended state, as in XCR0: those a copy may use. Not among
 * them are PKRU, which must stay the handler's, and AMX.
 */
enum {
	OUTLINE_X87 = 1 << 0,
	OUTLINE_SSE = 1 << 1,
	OUTLINE_AVX = 1 << 2,
	OUTLINE_OPMASK = 1 << 5,
	OUTLINE_ZMM_HIGH = 1 << 6,
	OUTLINE_ZMM_16_31 = 1 << 7,
	OUTLINE_ALL = 0xe7,
};

/**
 * struct outline_arena - memory for copies, mapped twice
 * @rw: where they are written
 * @rx: where they run; no page is ever writable and executable
 */
struct outline_arena {
	uint8_t *rw;
	const uint8_t *rx;
};

/*
 * Room for @count copies. A child of fork does not inherit it. 0 or a
 * negative errno. Async-signal-safe.
 */
int outline_arena_init(struct outline_arena *arena, unsigned count);

/*
 * Make the copy of what @dec holds (as insn_decode() left it) in place @slot
 * of the arena and complete @insn. 0, or -EOPNOTSUPP with @dec->why.
 */
int outline_encode(struct insn *insn, struct insn_decoder *dec, struct outline_arena *arena,
		   unsigned slot);

/* Whether the context's extended state is there in full: -EOPNOTSUPP if not. */
int outline_check(const struct insn *insn, const ucontext_t *uc);

/*
 * Run the copy on @operand (64 bytes, aligned to 64), with the context's
 * registers and flags, and update them. @bit_bytes: how far the bit offset in
 * a register reaches past the operand's start. RIP is left alone.
 */
void outline_run(const struct insn *insn, const struct outline_arena *arena, unsigned slot,
		 ucontext_t *uc, void *operand, int64_t bit_bytes);

/* Which bytes of the operand are touched, one bit each. */
uint64_t outline_active(const struct insn *insn, const ucontext_t *uc);

#endif
