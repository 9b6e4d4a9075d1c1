/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All other signals: their handlers must not run while the engine has a lock.
 *
 * Once there is a machine, the kernel has relay() in place of every handler of
 * the program. Outside the engine it calls the handler, with all that the kernel
 * gave it. Inside, it sends the signal to the thread once more, blocks it in
 * the mask that is restored when it returns, and so leaves it to the kernel to
 * keep, with what came along; engine_leave() unblocks it. So the ioctl that a
 * signal came into ends first, and then the handler runs, as with a system call
 * that does not sleep.
 *
 * What is the default or ignored is so in the kernel, and needs none of this. Of
 * a handler we only keep the address and two flags; the rest is asked of the
 * kernel. SA_RESETHAND is done here, as a signal that was sent once more would
 * else find the default.
 *
 * Not kept waiting: what an instruction of the engine itself has caused (it would
 * come again for ever), and an abort().
 *
 * Everything here may be called in a signal handler; no locks. Two threads that
 * change the same signal's disposition at once may get the answer of either.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "interpose/enter.h"
#include "interpose/fork.h"
#include "interpose/real.h"
#include "interpose/signals.h"

/* In the two bits that no address in user space has. */
#define TAG_INFO (1ull << 63) /* SA_SIGINFO */
#define TAG_ONCE (1ull << 62) /* SA_RESETHAND */
#define TAGS	 (TAG_INFO | TAG_ONCE)

__thread struct engine_thread engine_thread;

static __typeof__(&sigaction) real_action;
static atomic_bool relaying;
/* The handler behind relay(), with tags; 0: it was to run once, and has. */
static _Atomic uint64_t handlers[_NSIG];
/* Which of ours the program has in the handler's mask. */
static atomic_uchar masked[_NSIG];

static uint64_t sig_bit(int sig)
{
	return 1ull << (sig - 1);
}

static bool is_function(const struct sigaction *act)
{
	return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

static bool must_run_now(int sig, const siginfo_t *info)
{
	switch (sig) {
	case SIGILL:
	case SIGFPE:
	case SIGTRAP:
	case SIGSYS:
		return info->si_code > 0;
	case SIGABRT:
		return info->si_code == SI_TKILL && info->si_pid == sys_getpid();
	default:
		return false;
	}
}

static void relay_hold(int sig, siginfo_t *info, ucontext_t *uc)
{
	sigset_t all;
	long tid = syscall(SYS_gettid);

	/* With SA_NODEFER it would come at once. */
	sigfillset(&all);
	ours_strip(&all);
	mask_set_real(*(const uint64_t *)&all);
	if (syscall(SYS_rt_tgsigqueueinfo, sys_getpid(), tid, sig, info))
		syscall(SYS_tgkill, sys_getpid(), tid, sig);
	sigaddset(&uc->uc_sigmask, sig);
	engine_thread.held |= sig_bit(sig);
}

/* The only run of a handler begins: the handler, or 0 when another thread has had it. */
static uint64_t relay_once(int sig, uint64_t handler)
{
	struct sigaction act = { .sa_handler = SIG_DFL };

	if (!atomic_compare_exchange_strong(&handlers[sig], &handler, 0))
		return handler;
	real_action(sig, &act, NULL);
	return handler;
}

static void relay(int sig, siginfo_t *info, void *context)
{
	uint64_t handler = atomic_load_explicit(&handlers[sig], memory_order_acquire);
	ucontext_t *uc = context;
	int saved = errno;

	if (engine_thread.depth && !must_run_now(sig, info)) {
		relay_hold(sig, info, uc);
		errno = saved;
		return;
	}
	/* On the way out of the engine: others that wait are let go by us. */
	if (engine_thread.held) {
		for (int other = 1; other < _NSIG; other++)
			if (engine_thread.held & sig_bit(other) && !ours_bit(other))
				sigdelset(&uc->uc_sigmask, other);
		engine_thread.held &= sig_bit(SIGSEGV) | sig_bit(SIGBUS);
	}
	if (handler & TAG_ONCE)
		handler = relay_once(sig, handler);
	errno = saved;
	if (handler & ~TAGS)
		((void (*)(int, siginfo_t *, void *))(handler & ~TAGS))(sig, info, context);
	else
		raise(sig); /* the default, when we return */
}

void engine_deliver(void)
{
	uint64_t held = engine_thread.held;
	int saved = errno;

	if (held & (sig_bit(SIGSEGV) | sig_bit(SIGBUS)))
		blocked_deliver();
	held &= ~(sig_bit(SIGSEGV) | sig_bit(SIGBUS));
	if (held)
		syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &held, NULL, sizeof(held));
	engine_thread.held = 0;
	errno = saved;
}

/* What the kernel said, as the program had given it. */
static void relay_show(struct sigaction *old, uint64_t handler, unsigned ours)
{
	if (old->sa_sigaction == relay) {
		old->sa_handler = (sighandler_t)(handler & ~TAGS);
		old->sa_flags &= ~(int)(SA_SIGINFO | SA_RESETHAND);
		if (handler & TAG_INFO)
			old->sa_flags |= SA_SIGINFO;
		if (handler & TAG_ONCE)
			old->sa_flags |= (int)SA_RESETHAND;
	}
	ours_add(&old->sa_mask, ours);
}

/* Put relay() in the place of a handler. */
static uint64_t relay_cover(struct sigaction *act)
{
	uint64_t handler = (uint64_t)act->sa_handler;

	if (act->sa_flags & SA_SIGINFO)
		handler |= TAG_INFO;
	if (act->sa_flags & (int)SA_RESETHAND)
		handler |= TAG_ONCE;
	act->sa_sigaction = relay;
	act->sa_flags = (act->sa_flags & ~(int)SA_RESETHAND) | SA_SIGINFO;
	return handler;
}

int signals_relay_action(int sig, const struct sigaction *act, struct sigaction *old)
{
	uint64_t before = atomic_load(&handlers[sig]);
	unsigned char ours_before = atomic_load(&masked[sig]), ours = 0;
	struct sigaction now, was;
	bool here = true;
	int ret;

	if (atomic_load_explicit(&relaying, memory_order_acquire)) {
		fork_settle();
		/* A child of vfork must not change what its parent goes by. */
		here = fork_here();
	}
	if (act) {
		now = *act;
		ours = (unsigned char)ours_in(&now.sa_mask);
		ours_strip(&now.sa_mask);
		if (is_function(&now) && here && atomic_load(&relaying))
			atomic_store(&handlers[sig], relay_cover(&now));
	}
	ret = real_action(sig, act ? &now : NULL, &was);
	if (ret) {
		atomic_store(&handlers[sig], before);
		return ret;
	}
	if (act && here)
		atomic_store(&masked[sig], (unsigned char)ours);
	if (old) {
		*old = was;
		relay_show(old, before, ours_before);
	}
	return 0;
}

void signals_relay_install(void)
{
	real_action = REAL(sigaction);
}

void signals_relay_begin(void)
{
	if (atomic_exchange(&relaying, true))
		return;
	for (int sig = 1; sig < _NSIG; sig++) {
		struct sigaction act;

		/* Those that libc keeps for itself are refused. */
		if (ours_bit(sig) || real_action(sig, NULL, &act) || !is_function(&act) ||
		    act.sa_sigaction == relay)
			continue;
		atomic_store(&handlers[sig], relay_cover(&act));
		real_action(sig, &act, NULL);
	}
}
