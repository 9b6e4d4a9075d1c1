/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGSEGV and SIGBUS belong to us: a load from a device register is a fault.
 * The program keeps the use of them, under the rules it knows.
 *
 * One handler of ours stays installed under whatever the program asks for. A
 * fault is first offered to the copies that expect one, then to the BARs, and
 * what nobody here wants is the program's: its handler is called as the kernel
 * would have called it, or the process dies of it.
 *
 * The program's dispositions are kept in slots that are never changed once
 * published, so the handler reads one with a single load and sigaction() swaps
 * one with a single exchange: no lock that a handler or a child of fork could
 * find taken. A slot is used again after 63 more sigaction() calls.
 *
 * Other signals' handlers only wait while the engine is at work: signals_relay.c.
 *
 * The two signals are never blocked for real (signals_mask.c keeps what the
 * program believes): every mask it gives the kernel goes without them.
 * Our handler runs on the alternate stack if there is one, whether or not the
 * program asked for SA_ONSTACK, as the stack in use may be a tiny coroutine's.
 *
 * Not covered: masks and dispositions set by bare system calls, and threads
 * that blocked the signals before ours was installed.
 *
 * Everything here may be called in a signal handler.
 */
#include "interpose/signals.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "interpose/engine.h"
#include "interpose/enter.h"
#include "interpose/real.h"
#include "memory/fault.h"

/* The old names are wrapped because old programs use them. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define SLOTS	 64
#define RESTORER 0x04000000 /* the flag that libc adds, and shows when asked */

int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);

static struct {
	atomic_bool on;
	atomic_flag installing;
	/* libc's, found before a handler could need them. */
	__typeof__(&sigaction) action;
	__typeof__(&raise) raise;
	void (*restorer)(void);
	atomic_uint next;
	struct {
		atomic_uint current;
		struct sigaction slots[SLOTS];
	} program[2]; /* SIGSEGV, SIGBUS */
} signals;

bool signals_on(void)
{
	return atomic_load_explicit(&signals.on, memory_order_acquire);
}

static unsigned program_index(int sig)
{
	return sig == SIGSEGV ? 0 : 1;
}

static struct sigaction program_get(int sig)
{
	unsigned i = program_index(sig);

	return signals.program[i]
		.slots[atomic_load_explicit(&signals.program[i].current, memory_order_acquire)];
}

/* Publish; returns what was there before. */
static struct sigaction program_swap(int sig, const struct sigaction *act)
{
	unsigned i = program_index(sig);
	unsigned slot = atomic_fetch_add(&signals.next, 1) % SLOTS;

	if (slot == atomic_load(&signals.program[i].current))
		slot = atomic_fetch_add(&signals.next, 1) % SLOTS;
	signals.program[i].slots[slot] = *act;
	return signals.program[i].slots[atomic_exchange(&signals.program[i].current, slot)];
}

bool signals_has_handler(int sig)
{
	struct sigaction act = program_get(sig);

	return act.sa_handler != SIG_DFL && act.sa_handler != SIG_IGN;
}

/* Default for real, so that the kernel ends the process with the status it knows. */
static void signal_default(int sig)
{
	struct sigaction act = { .sa_handler = SIG_DFL };

	signals.action(sig, &act, NULL);
}

static void signal_die(int sig, bool fault)
{
	signal_default(sig);
	/* A fault happens again as soon as we return, and leaves its core dump there. */
	if (!fault)
		signals.raise(sig);
}

static void signal_call(int sig, siginfo_t *info, ucontext_t *uc, const struct sigaction *act,
			unsigned blocked)
{
	unsigned more = ours_in(&act->sa_mask);
	sigset_t mask = uc->uc_sigmask;
	int token;

	if (!(act->sa_flags & SA_NODEFER))
		more |= ours_bit(sig);
	sigorset(&mask, &mask, &act->sa_mask);
	ours_strip(&mask);
	ours_add(&uc->uc_sigmask, blocked); /* as the kernel would have saved it */

	token = blocked_enter(STACK_HERE, &uc->uc_stack, more);
	mask_set_real(*(const uint64_t *)&mask);
	if (act->sa_flags & SA_SIGINFO)
		act->sa_sigaction(sig, info, uc);
	else
		((void (*)(int, siginfo_t *, void *))(void *)act->sa_handler)(sig, info, uc);
	/* The handler may have chosen the mask to return with. */
	blocked_leave(token, ours_in(&uc->uc_sigmask));
	ours_strip(&uc->uc_sigmask);
}

/*
 * What the kernel does with a signal, for the program's disposition and mask.
 * @again: the fault happens again by itself, with this signal.
 */
static void signal_chain(int sig, siginfo_t *info, ucontext_t *uc, bool again)
{
	struct sigaction act = program_get(sig);
	uintptr_t sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
	unsigned blocked = blocked_get(sp);
	bool fault = info->si_code > 0;

	if (engine_thread.depth && !fault) {
		blocked_keep(sig, info);
		engine_thread.held |= 1ull << (sig - 1);
	} else if (blocked & ours_bit(sig)) {
		if (fault)
			signal_die(sig, again);
		else
			blocked_keep(sig, info);
	} else if (act.sa_handler == SIG_DFL || (act.sa_handler == SIG_IGN && fault)) {
		signal_die(sig, again);
	} else if (act.sa_handler != SIG_IGN) {
		if (act.sa_flags & (int)SA_RESETHAND) {
			struct sigaction reset = act;

			reset.sa_handler = SIG_DFL;
			program_swap(sig, &reset);
		}
		signal_call(sig, info, uc, &act, blocked);
	}
}

static void signal_arrived(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	int saved = errno, as = sig;
	siginfo_t bus = { .si_signo = SIGBUS, .si_code = BUS_ADRERR };

	if (info->si_code > 0) {
		if (fault_fixup(uc))
			goto out;
		if (sig == SIGSEGV &&
		    (info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR))
			as = bar_fault(uc, (uintptr_t)info->si_addr);
		if (!as)
			goto out;
	}
	if (as == sig) {
		signal_chain(sig, info, uc, info->si_code > 0);
	} else {
		bus.si_addr = info->si_addr;
		signal_chain(as, &bus, uc, false);
	}
out:
	errno = saved;
}

/* Ours, with what shows of the program's: whether interrupted system calls go on. */
static void signal_take(int sig, const struct sigaction *program)
{
	struct sigaction act = { .sa_sigaction = signal_arrived,
				 .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	if (program->sa_handler == SIG_DFL || program->sa_handler == SIG_IGN)
		act.sa_flags |= SA_RESTART;
	else
		act.sa_flags |= program->sa_flags & SA_RESTART;
	/* Nothing of the program runs in the middle of a device access. */
	sigfillset(&act.sa_mask);
	ours_strip(&act.sa_mask);
	signals.action(sig, &act, NULL);
}

void signals_install(void)
{
	static const int ours[] = { SIGSEGV, SIGBUS };
	struct sigaction found;
	sigset_t set, before;

	if (signals_on() || atomic_flag_test_and_set(&signals.installing))
		return;
	fault_installed_elsewhere();
	signals.action = REAL(sigaction);
	signals.raise = REAL(raise);
	signals_relay_install();
	for (unsigned i = 0; i < 2; i++) {
		signals.action(ours[i], NULL, &found);
		program_swap(ours[i], &found);
		signal_take(ours[i], &found);
	}
	signals.action(SIGSEGV, NULL, &found);
	signals.restorer = found.sa_restorer;

	sigemptyset(&set);
	ours_add(&set, OURS_ALL);
	if (!REAL(pthread_sigmask)(SIG_UNBLOCK, &set, &before))
		blocked_set(ours_in(&before));
	atomic_store_explicit(&signals.on, true, memory_order_release);
}

static __attribute__((constructor)) void signals_start(void)
{
	if (engine_active())
		signals_install();
}

/* sigaction() for one of ours: as libc would have recorded it. */
static int action_ours(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction was, now;

	if (!act) {
		*old = program_get(sig);
		return 0;
	}
	now = *act;
	now.sa_flags |= RESTORER;
	now.sa_restorer = signals.restorer;
	sigdelset(&now.sa_mask, SIGKILL);
	sigdelset(&now.sa_mask, SIGSTOP);
	was = program_swap(sig, &now);
	signal_take(sig, &now);
	if (old)
		*old = was;
	return 0;
}

INTERPOSED int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (!signals_on() || sig <= 0 || sig >= _NSIG || (!act && !old))
		return REAL(sigaction)(sig, act, old);
	if (ours_bit(sig))
		return action_ours(sig, act, old);
	return signals_relay_action(sig, act, old);
}

INTERPOSED int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return sigaction(sig, act, old);
}

/*
 * The older calls. Whether the handlers that signal() and its like install
 * interrupt system calls is set by siginterrupt(), in libc beyond our reach.
 */
static _Atomic uint64_t interrupting;

static sighandler_t action_simple(int sig, sighandler_t handler, int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags }, old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	if (flags & SA_RESTART) {
		sigaddset(&act.sa_mask, sig);
		if (atomic_load(&interrupting) & 1ull << (sig - 1))
			act.sa_flags &= ~SA_RESTART;
	}
	return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

static inline bool simple_here(int sig)
{
	return signals_on() && sig > 0 && sig < _NSIG;
}

#define SIGNAL_WRAPPER(fn, flags)                                  \
	INTERPOSED sighandler_t fn(int sig, sighandler_t handler)  \
	{                                                          \
		if (simple_here(sig))                              \
			return action_simple(sig, handler, flags); \
		return REAL(fn)(sig, handler);                     \
	}

sighandler_t bsd_signal(int sig, sighandler_t handler);

SIGNAL_WRAPPER(signal, SA_RESTART)
SIGNAL_WRAPPER(bsd_signal, SA_RESTART)
SIGNAL_WRAPPER(ssignal, SA_RESTART)
SIGNAL_WRAPPER(sysv_signal, (int)SA_RESETHAND | SA_NODEFER)
SIGNAL_WRAPPER(__sysv_signal, (int)SA_RESETHAND | SA_NODEFER)

INTERPOSED sighandler_t sigset(int sig, sighandler_t handler)
{
	struct sigaction now;
	sigset_t set, before;
	sighandler_t old;

	if (!simple_here(sig))
		return REAL(sigset)(sig, handler);
	sigemptyset(&set);
	sigaddset(&set, sig);
	if (handler == SIG_HOLD) {
		if (sigaction(sig, NULL, &now) || sigprocmask(SIG_BLOCK, &set, &before))
			return SIG_ERR;
		old = now.sa_handler;
	} else {
		old = action_simple(sig, handler, 0);
		if (old == SIG_ERR || sigprocmask(SIG_UNBLOCK, &set, &before))
			return SIG_ERR;
	}
	return sigismember(&before, sig) ? SIG_HOLD : old;
}

INTERPOSED int sigignore(int sig)
{
	if (!simple_here(sig))
		return REAL(sigignore)(sig);
	return action_simple(sig, SIG_IGN, 0) == SIG_ERR ? -1 : 0;
}

INTERPOSED int siginterrupt(int sig, int interrupt)
{
	struct sigaction act;

	if (!simple_here(sig))
		return REAL(siginterrupt)(sig, interrupt);
	if (sigaction(sig, NULL, &act))
		return -1;
	if (interrupt) {
		act.sa_flags &= ~SA_RESTART;
		atomic_fetch_or(&interrupting, 1ull << (sig - 1));
	} else {
		act.sa_flags |= SA_RESTART;
		atomic_fetch_and(&interrupting, ~(1ull << (sig - 1)));
	}
	return sigaction(sig, &act, NULL);
}

/*
 * What exec hands on: ignored stays ignored, blocked stays blocked. Between
 * this and the exec a fault of ours would kill; nothing of ours runs there.
 */
void signals_before_exec(void)
{
	static const int ours[] = { SIGSEGV, SIGBUS };
	unsigned blocked;
	sigset_t set;

	if (!signals_on())
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct sigaction act = { .sa_handler = SIG_IGN };

		if (program_get(ours[i]).sa_handler == SIG_IGN)
			signals.action(ours[i], &act, NULL);
	}
	blocked = blocked_get(STACK_HERE);
	if (blocked) {
		sigemptyset(&set);
		ours_add(&set, blocked);
		REAL(pthread_sigmask)(SIG_BLOCK, &set, NULL);
	}
}

void signals_after_exec(void)
{
	static const int ours[] = { SIGSEGV, SIGBUS };
	sigset_t set;

	if (!signals_on())
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct sigaction act = program_get(ours[i]);

		if (act.sa_handler == SIG_IGN)
			signal_take(ours[i], &act);
	}
	sigemptyset(&set);
	ours_add(&set, OURS_ALL);
	REAL(pthread_sigmask)(SIG_UNBLOCK, &set, NULL);
}
