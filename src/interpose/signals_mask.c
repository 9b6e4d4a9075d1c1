/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal masks: what the program believes of SIGSEGV and SIGBUS.
 *
 * The kernel never sees the two blocked. A thread's belief is two bits of its
 * own; a signal sent to it (kill, raise) while it believes it blocked is kept,
 * one of a kind as the kernel does, and sent again once it is not.
 *
 * A handler of the program runs with more blocked, until it returns. Programs
 * also leave by siglongjmp (signals_jump.c) or by what is past us (setcontext): so
 * entering a handler notes where on which stack it runs, and whoever asks for the mask
 * from further out drops the notes of handlers that are gone. When the jump did not
 * restore the mask (longjmp), the program is better off than on Linux: its
 * handler runs again where the kernel would kill.
 *
 * A new thread starts with nothing believed blocked.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "interpose/real.h"
#include "interpose/signals.h"

/* The old names are wrapped because old programs use them. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define NOTES 4
/* Deeper than this below a handler's frame is another stack. */
#define DEPTH_MAX (1u << 20)

struct handler_note {
	uintptr_t sp;
	uintptr_t alt_base; /* 0: the thread's own stack */
	size_t alt_size;
	unsigned before;
};

static __thread struct {
	unsigned blocked;
	unsigned pending;
	int notes;
	struct handler_note note[NOTES];
	siginfo_t info[2];
} thread_mask;

unsigned ours_in(const sigset_t *set)
{
	return (sigismember(set, SIGSEGV) == 1 ? OURS_SEGV : 0) |
	       (sigismember(set, SIGBUS) == 1 ? OURS_BUS : 0);
}

void ours_strip(sigset_t *set)
{
	sigdelset(set, SIGSEGV);
	sigdelset(set, SIGBUS);
}

void ours_add(sigset_t *set, unsigned ours)
{
	if (ours & OURS_SEGV)
		sigaddset(set, SIGSEGV);
	if (ours & OURS_BUS)
		sigaddset(set, SIGBUS);
}

void mask_set_real(uint64_t mask)
{
	int saved = errno;

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	errno = saved;
}

static bool note_is_left(const struct handler_note *note, uintptr_t sp)
{
	if (note->alt_base)
		return sp - note->alt_base >= note->alt_size;
	return sp > note->sp || note->sp - sp > DEPTH_MAX;
}

unsigned blocked_get(uintptr_t sp)
{
	while (thread_mask.notes) {
		const struct handler_note *note = &thread_mask.note[thread_mask.notes - 1];

		if (!note_is_left(note, sp))
			break;
		thread_mask.blocked = note->before;
		thread_mask.notes--;
	}
	return thread_mask.blocked;
}

void blocked_set(unsigned ours)
{
	thread_mask.blocked = ours;
}

void blocked_keep(int sig, const siginfo_t *info)
{
	if (thread_mask.pending & ours_bit(sig))
		return;
	thread_mask.pending |= ours_bit(sig);
	thread_mask.info[sig == SIGBUS] = *info;
}

bool blocked_deliver(void)
{
	static const int ours[] = { SIGSEGV, SIGBUS };
	bool handled = false;
	int saved = errno;

	for (unsigned i = 0; i < 2; i++) {
		unsigned bit = ours_bit(ours[i]);
		siginfo_t info;

		if (!(thread_mask.pending & ~thread_mask.blocked & bit))
			continue;
		thread_mask.pending &= ~bit;
		info = thread_mask.info[i];
		handled |= signals_has_handler(ours[i]);
		syscall(SYS_rt_tgsigqueueinfo, sys_getpid(), syscall(SYS_gettid), ours[i], &info);
	}
	errno = saved;
	return handled;
}

int blocked_enter(uintptr_t sp, const stack_t *alt, unsigned more)
{
	int token = thread_mask.notes;
	uintptr_t base = (uintptr_t)alt->ss_sp;

	if (token < NOTES) {
		struct handler_note *note = &thread_mask.note[token];

		note->sp = sp;
		note->before = thread_mask.blocked;
		note->alt_base = 0;
		if (!(alt->ss_flags & SS_DISABLE) && sp - base < alt->ss_size) {
			note->alt_base = base;
			note->alt_size = alt->ss_size;
		}
		thread_mask.notes++;
	}
	thread_mask.blocked |= more;
	return token;
}

void blocked_leave(int token, unsigned after)
{
	thread_mask.notes = token;
	thread_mask.blocked = after;
	blocked_deliver();
}

typedef int mask_change(int how, const sigset_t *set, sigset_t *old);

static int mask_do(mask_change *real, int how, const sigset_t *set, sigset_t *old, uintptr_t sp)
{
	unsigned before, given = 0;
	sigset_t kernel;
	int ret;

	if (!signals_on())
		return real(how, set, old);
	if (set) {
		kernel = *set;
		given = ours_in(&kernel);
		ours_strip(&kernel);
	}
	ret = real(how, set ? &kernel : NULL, old);
	if (ret)
		return ret;
	before = blocked_get(sp);
	if (old)
		ours_add(old, before);
	if (!set)
		return 0;
	if (how == SIG_BLOCK)
		given |= before;
	else if (how == SIG_UNBLOCK)
		given = before & ~given;
	blocked_set(given);
	blocked_deliver();
	return 0;
}

INTERPOSED int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return mask_do(REAL(sigprocmask), how, set, old, STACK_HERE);
}

INTERPOSED int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return mask_do(REAL(pthread_sigmask), how, set, old, STACK_HERE);
}

INTERPOSED int sigpending(sigset_t *set)
{
	int ret = REAL(sigpending)(set);

	if (!ret && signals_on())
		ours_add(set, thread_mask.pending);
	return ret;
}

static int mask_one(int how, int sig, uintptr_t sp)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return mask_do(REAL(sigprocmask), how, &set, NULL, sp);
}

INTERPOSED int sighold(int sig)
{
	return signals_on() && ours_bit(sig) ? mask_one(SIG_BLOCK, sig, STACK_HERE) :
					       REAL(sighold)(sig);
}

INTERPOSED int sigrelse(int sig)
{
	return signals_on() && ours_bit(sig) ? mask_one(SIG_UNBLOCK, sig, STACK_HERE) :
					       REAL(sigrelse)(sig);
}

/* The BSD calls know the first 32 signals, as the bits of an int. */

static sigset_t bsd_set(int bits)
{
	sigset_t set;

	sigemptyset(&set);
	for (int sig = 1; sig < 32; sig++)
		if (bits & (1 << (sig - 1)))
			sigaddset(&set, sig);
	return set;
}

static int bsd_bits(const sigset_t *set)
{
	int bits = 0;

	for (int sig = 1; sig < 32; sig++)
		if (sigismember(set, sig) == 1)
			bits |= 1 << (sig - 1);
	return bits;
}

int sigblock(int bits);
int sigsetmask(int bits);
int siggetmask(void);

INTERPOSED int sigblock(int bits)
{
	sigset_t set = bsd_set(bits), old;

	return mask_do(REAL(sigprocmask), SIG_BLOCK, &set, &old, STACK_HERE) ? -1 : bsd_bits(&old);
}

INTERPOSED int sigsetmask(int bits)
{
	sigset_t set = bsd_set(bits), old;

	return mask_do(REAL(sigprocmask), SIG_SETMASK, &set, &old, STACK_HERE) ? -1 :
										 bsd_bits(&old);
}

INTERPOSED int siggetmask(void)
{
	return sigblock(0);
}

/*
 * Calls that wait under another mask. Begun with something already waiting
 * that the new mask lets through, they are interrupted at once, as in Linux.
 */
static bool wait_begin(const sigset_t *given, sigset_t *kernel, unsigned *before, uintptr_t sp)
{
	*kernel = *given;
	ours_strip(kernel);
	*before = blocked_get(sp);
	blocked_set(ours_in(given));
	if (!blocked_deliver())
		return true;
	blocked_set(*before);
	errno = EINTR;
	return false;
}

#define WAIT_WRAPPER(fn, params, args, mask, masked) \
	WAIT_WRAPPER_OF(fn, REAL(fn), params, args, mask, masked)

#define WAIT_WRAPPER_OF(fn, real, params, args, mask, masked)        \
	INTERPOSED int fn params                                     \
	{                                                            \
		unsigned before;                                     \
		sigset_t kernel;                                     \
		int ret;                                             \
                                                                     \
		if (!signals_on() || !mask_given(mask))              \
			return (real)args;                           \
		if (!wait_begin(mask, &kernel, &before, STACK_HERE)) \
			return -1;                                   \
		ret = (real)masked;                                  \
		blocked_set(before);                                 \
		return ret;                                          \
	}

/* Not inlined: some headers swear that the mask is never NULL. */
static __attribute__((noipa)) bool mask_given(const sigset_t *mask)
{
	return mask;
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t room);
int __sigsuspend(const sigset_t *mask);
extern void __chk_fail(void) __attribute__((noreturn));

ppoll_fn *signals_ppoll;

static ppoll_fn *ppoll_real(void)
{
	return signals_ppoll ? signals_ppoll : REAL(ppoll);
}

WAIT_WRAPPER(pselect,
	     (int n, fd_set *readable, fd_set *writable, fd_set *special,
	      const struct timespec *timeout, const sigset_t *mask),
	     (n, readable, writable, special, timeout, mask), mask,
	     (n, readable, writable, special, timeout, &kernel))
WAIT_WRAPPER_OF(ppoll, ppoll_real(),
		(struct pollfd * fds, nfds_t n, const struct timespec *timeout,
		 const sigset_t *mask),
		(fds, n, timeout, mask), mask, (fds, n, timeout, &kernel))

INTERPOSED int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
			   const sigset_t *mask, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, timeout, mask);
}

WAIT_WRAPPER(epoll_pwait,
	     (int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask),
	     (epfd, events, max, timeout, mask), mask, (epfd, events, max, timeout, &kernel))
WAIT_WRAPPER(epoll_pwait2,
	     (int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	      const sigset_t *mask),
	     (epfd, events, max, timeout, mask), mask, (epfd, events, max, timeout, &kernel))
WAIT_WRAPPER(sigsuspend, (const sigset_t *mask), (mask), mask, (&kernel))
WAIT_WRAPPER(__sigsuspend, (const sigset_t *mask), (mask), mask, (&kernel))

/*
 * libc has two functions called sigpause: BSD's takes a mask, System V's a
 * signal to let through meanwhile; the headers give a program one or the other.
 */
int __sigpause(int sig_or_mask, int is_sig);
int sigpause_bsd(int bits) __asm__("sigpause");
int sigpause_sysv(int sig) __asm__("__xpg_sigpause");

static int pause_letting(int sig, uintptr_t sp)
{
	sigset_t set;

	mask_do(REAL(sigprocmask), SIG_BLOCK, NULL, &set, sp);
	if (sigdelset(&set, sig) < 0)
		return -1;
	return sigsuspend(&set);
}

INTERPOSED int __sigpause(int sig_or_mask, int is_sig)
{
	sigset_t set;

	if (!signals_on())
		return REAL(__sigpause)(sig_or_mask, is_sig);
	if (is_sig)
		return pause_letting(sig_or_mask, STACK_HERE);
	set = bsd_set(sig_or_mask);
	return sigsuspend(&set);
}

INTERPOSED int sigpause_bsd(int bits)
{
	return __sigpause(bits, 0);
}

INTERPOSED int sigpause_sysv(int sig)
{
	return __sigpause(sig, 1);
}

INTERPOSED int pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *mask)
{
	sigset_t kernel;

	if (!signals_on() || !mask_given(mask))
		return REAL(pthread_attr_setsigmask_np)(attr, mask);
	kernel = *mask;
	ours_strip(&kernel);
	return REAL(pthread_attr_setsigmask_np)(attr, &kernel);
}
