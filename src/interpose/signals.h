/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two signals that are ours, SIGSEGV and SIGBUS, and what the program
 * believes about them. See signals.c.
 */
#ifndef RF_INTERPOSE_SIGNALS_H
#define RF_INTERPOSE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Sets of the two, small: bit 0 is SIGSEGV, bit 1 is SIGBUS. */
#define OURS_SEGV 1u
#define OURS_BUS  2u
#define OURS_ALL  3u

static inline unsigned ours_bit(int sig)
{
	return sig == SIGSEGV ? OURS_SEGV : sig == SIGBUS ? OURS_BUS : 0;
}

/* Which of ours are in a set; without them; put into one. */
unsigned ours_in(const sigset_t *set);
void ours_strip(sigset_t *set);
void ours_add(sigset_t *set, unsigned ours);

/* Whether our handler is in place: until then every call is libc's own. */
bool signals_on(void);

/*
 * What the program of this thread believes to be blocked, of ours. @sp is a
 * stack address of the caller: it tells whether a handler was left by longjmp.
 */
unsigned blocked_get(uintptr_t sp);
void blocked_set(unsigned ours);
/* Deliver what waited and is no longer blocked: true if a handler of the program ran. */
bool blocked_deliver(void);
/* One that arrived while blocked: kept until it is not. */
void blocked_keep(int sig, const siginfo_t *info);

/*
 * The program's handler of a signal is about to run, at @sp on the alternate
 * stack @alt (SS_DISABLE: on the thread's), with @more of ours blocked. The
 * token goes to blocked_leave() when the handler returns, with what it wants
 * blocked then; a handler left by longjmp is noticed later, from the stack.
 */
int blocked_enter(uintptr_t sp, const stack_t *alt, unsigned more);
void blocked_leave(int token, unsigned after);

/* The kernel's mask of this thread, around libc. */
void mask_set_real(uint64_t mask);

/* The program's disposition is a function (neither default nor ignored). */
bool signals_has_handler(int sig);

/*
 * sigaction() for every other signal; see signals_relay.c. Until relaying begins,
 * with the first machine, handlers are the kernel's to call.
 */
int signals_relay_action(int sig, const struct sigaction *act, struct sigaction *old);
void signals_relay_install(void);
void signals_relay_begin(void);

/* Before an exec: give the kernel the program's ignored and blocked signals; undo if it failed. */
void signals_before_exec(void);
void signals_after_exec(void);

#define STACK_HERE ((uintptr_t)__builtin_frame_address(0))

/* What ppoll() comes to once the mask is settled: libc's, if NULL (poll_calls.c). */
struct pollfd;
typedef int ppoll_fn(struct pollfd *fds, unsigned long nr, const struct timespec *timeout,
		     const sigset_t *mask);
extern ppoll_fn *signals_ppoll;

#endif
