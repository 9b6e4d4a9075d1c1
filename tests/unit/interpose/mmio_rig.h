/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A BAR for the tests of the trap: inaccessible pages, a device that is an
 * array and remembers its accesses, a SIGSEGV handler like the interposer's.
 */
#ifndef RF_TESTS_MMIO_RIG_H
#define RF_TESTS_MMIO_RIG_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#define RIG_LEN 65536
#define RIG_LOG 64

struct rig_access {
	bool write;
	uint64_t off;
	unsigned size;
};

/**
 * struct rig - the one device
 * @bar: its address; below 4 GiB, for 32-bit addresses. A page of plain memory
 *	follows it
 * @split: the BAR is shown as two pieces that meet here; 0: as one
 * @regs: its registers
 * @log, @accesses: the first RIG_LOG accesses, and how many there were
 * @refused: what mmio_execute() said when it did not execute; 0: it did
 * @changed: whether it changed the context all the same
 * @frame: where the handler's stack frame was
 */
struct rig {
	uint8_t *bar;
	uint64_t split;
	uint8_t regs[RIG_LEN];
	struct rig_access log[RIG_LOG];
	unsigned accesses;
	int refused;
	bool changed;
	char *frame;
};

extern struct rig rig;

/* Where to go when an instruction was refused or another signal struck. */
extern __thread sigjmp_buf rig_escape;
extern __thread volatile sig_atomic_t rig_signal;

/* Once: maps the BAR. */
void rig_init(void);
/* In each test, as cmocka takes the signals: handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE. */
void rig_take_signals(void);
/* Forget the log. */
void rig_clear(void);

/* Runs @code; the signal or, with rig.refused set, SIGSEGV, that ended it; 0 if none. */
#define RIG_TRY(code)                                                 \
	({                                                            \
		rig_signal = 0;                                       \
		rig.refused = 0;                                      \
		if (!sigsetjmp(rig_escape, 1)) {                      \
			code;                                         \
		} else {                                              \
			__asm__ volatile("cld; fninit" ::: "memory"); \
		}                                                     \
		rig_signal;                                           \
	})

/* xorshift64*: numbers for tests that must be repeatable. */
static inline uint64_t rig_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

#endif
