/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGSEGV and SIGBUS as the program sees them while they are ours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "interpose/engine.h"
#include "memory/fault.h"

#include "../faults.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static uint8_t *bad; /* a page that nobody may touch */
static sigjmp_buf escape;
static volatile sig_atomic_t calls;
static siginfo_t last_info;
static sigset_t last_mask;
static void *last_sp;

static void touch_bad(void)
{
	*(volatile uint8_t *)(bad + 8);
}

/* The kernel's idea of this thread's mask. */
static uint64_t kernel_mask(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
	return mask;
}

static uint64_t bit(int sig)
{
	return 1ull << (sig - 1);
}

static sigset_t set_of(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return set;
}

static int is_blocked(int sig)
{
	sigset_t now;

	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, sig);
}

static void install(int sig, void *handler, int flags)
{
	struct sigaction act = { .sa_flags = flags };

	act.sa_handler = (void (*)(int))handler;
	assert_int_equal(sigaction(sig, &act, NULL), 0);
}

static int setup(void **state)
{
	sigset_t none;

	calls = 0;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	install(SIGSEGV, SIG_DFL, 0);
	install(SIGBUS, SIG_DFL, 0);
	return 0;
}

/* How a child that runs @body ends: its signal, or minus its exit status. */
static int child_dies_of(void (*body)(void))
{
	struct rlimit none = { 0, 0 };
	int status;
	pid_t pid = fork();

	if (!pid) {
		setrlimit(RLIMIT_CORE, &none);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void jump_out(int sig, siginfo_t *info, void *context)
{
	calls++;
	last_info = *info;
	last_sp = __builtin_frame_address(0);
	sigprocmask(SIG_BLOCK, NULL, &last_mask);
	siglongjmp(escape, sig);
}

static void count(int sig)
{
	calls++;
}

static void query_shows_the_programs_own(void **state)
{
	struct sigaction act = { .sa_sigaction = jump_out, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct sigaction old;

	setup(state); /* again: the test runner's own handler came in between */
	sigaddset(&act.sa_mask, SIGUSR1);
	sigaddset(&act.sa_mask, SIGBUS);
	assert_int_equal(sigaction(SIGSEGV, NULL, &old), 0);
	assert_ptr_equal(old.sa_handler, SIG_DFL);
	assert_int_equal(sigaction(SIGSEGV, &act, &old), 0);
	assert_ptr_equal(old.sa_handler, SIG_DFL);
	memset(&old, 0xff, sizeof(old));
	assert_int_equal(sigaction(SIGSEGV, NULL, &old), 0);
	assert_ptr_equal(old.sa_sigaction, jump_out);
	assert_int_equal(old.sa_flags & (SA_SIGINFO | SA_NODEFER | SA_ONSTACK),
			 SA_SIGINFO | SA_NODEFER);
	assert_int_equal(sigismember(&old.sa_mask, SIGUSR1), 1);
	assert_int_equal(sigismember(&old.sa_mask, SIGBUS), 1);
	assert_int_equal(sigismember(&old.sa_mask, SIGSEGV), 0);
}

static void a_fault_calls_the_programs_handler(void **state)
{
	install(SIGSEGV, jump_out, SA_SIGINFO);
	assert_int_equal(sigsetjmp(escape, 1) ? SIGSEGV : (touch_bad(), 0), SIGSEGV);
	assert_int_equal(calls, 1);
	assert_int_equal(last_info.si_signo, SIGSEGV);
	assert_int_equal(last_info.si_code, SEGV_ACCERR);
	assert_ptr_equal(last_info.si_addr, bad + 8);
	assert_int_equal(sigismember(&last_mask, SIGSEGV), 1);
	assert_int_equal(is_blocked(SIGSEGV), 0);
}

/* The kernel is told nothing of it, yet a handler can be left this way again and again. */
static void siglongjmp_out_of_a_handler_works_again_and_again(void **state)
{
	install(SIGSEGV, jump_out, SA_SIGINFO);
	for (int i = 0; i < 100; i++) {
		if (!sigsetjmp(escape, 1))
			touch_bad();
		assert_int_equal(calls, i + 1);
		assert_int_equal(is_blocked(SIGSEGV), 0);
	}
}

/* A frame far below that of the handler that was left. */
static __attribute__((noinline)) void fault_deep_down(int n)
{
	volatile char frame[16384];

	frame[0] = (char)n;
	assert_int_equal(is_blocked(SIGSEGV), 0);
	if (!sigsetjmp(escape, 1))
		touch_bad();
	assert_int_equal(calls, n);
	frame[1] = frame[0];
}

static void after_siglongjmp_a_fault_deeper_than_the_handler_works(void **state)
{
	install(SIGSEGV, jump_out, SA_SIGINFO);
	if (!sigsetjmp(escape, 1))
		touch_bad();
	assert_int_equal(calls, 1);
	fault_deep_down(2);
	fault_deep_down(3);
}

static void step_over(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	calls++;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RAX] = 0x5a;
	sigaddset(&uc->uc_sigmask, SIGBUS);
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void a_handler_may_change_the_context_and_the_mask(void **state)
{
	long value = 0;

	install(SIGSEGV, step_over, SA_SIGINFO);
	__asm__ volatile("movb (%1), %%al" : "+a"(value) : "b"(bad)); /* two bytes */
	assert_int_equal(value, 0x5a);
	assert_int_equal(calls, 1);
	assert_int_equal(is_blocked(SIGSEGV), 0);
	assert_int_equal(is_blocked(SIGBUS), 1);
	assert_int_equal(is_blocked(SIGUSR2), 1);
	assert_int_equal(kernel_mask() & (bit(SIGSEGV) | bit(SIGBUS)), 0);
}

static void default_then_fault(void)
{
	signal(SIGSEGV, SIG_DFL);
	touch_bad();
}

static void ignore_then_fault(void)
{
	signal(SIGSEGV, SIG_IGN);
	touch_bad();
}

static void block_then_fault(void)
{
	sigset_t segv = set_of(SIGSEGV);

	install(SIGSEGV, jump_out, SA_SIGINFO);
	sigprocmask(SIG_BLOCK, &segv, NULL);
	if (!sigsetjmp(escape, 1))
		touch_bad();
}

static void default_then_raise(void)
{
	signal(SIGBUS, SIG_DFL);
	raise(SIGBUS);
}

static void bus_by_default(void)
{
	char name[] = "/tmp/ringfence-bus-XXXXXX";
	int fd = mkstemp(name);
	volatile uint8_t *p;

	unlink(name);
	if (fd < 0 || ftruncate(fd, 4096))
		_exit(9);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (ftruncate(fd, 0))
		_exit(9);
	signal(SIGBUS, SIG_DFL);
	(void)*p;
}

static void a_fault_nobody_handles_kills_with_its_own_signal(void **state)
{
	assert_int_equal(child_dies_of(default_then_fault), SIGSEGV);
	assert_int_equal(child_dies_of(ignore_then_fault), SIGSEGV);
	assert_int_equal(child_dies_of(block_then_fault), SIGSEGV);
	assert_int_equal(child_dies_of(default_then_raise), SIGBUS);
	assert_int_equal(child_dies_of(bus_by_default), SIGBUS);
}

static void a_sent_signal_can_be_ignored(void **state)
{
	signal(SIGSEGV, SIG_IGN);
	raise(SIGSEGV);
	kill(getpid(), SIGSEGV);
	signal(SIGSEGV, count);
	raise(SIGSEGV);
	assert_int_equal(calls, 1);
}

static void a_sent_signal_waits_while_blocked(void **state)
{
	sigset_t segv = set_of(SIGSEGV), pending, old;

	install(SIGSEGV, count, 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &segv, &old), 0);
	assert_int_equal(sigismember(&old, SIGSEGV), 0);
	assert_int_equal(is_blocked(SIGSEGV), 1);
	assert_int_equal(kernel_mask() & bit(SIGSEGV), 0);
	raise(SIGSEGV);
	raise(SIGSEGV);
	assert_int_equal(calls, 0);
	sigpending(&pending);
	assert_int_equal(sigismember(&pending, SIGSEGV), 1);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &segv, &old), 0);
	assert_int_equal(sigismember(&old, SIGSEGV), 1);
	assert_int_equal(calls, 1);
	sigpending(&pending);
	assert_int_equal(sigismember(&pending, SIGSEGV), 0);
}

static void masks_set_whole_are_remembered(void **state)
{
	sigset_t all, old;

	sigfillset(&all);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
	assert_int_equal(kernel_mask() & (bit(SIGSEGV) | bit(SIGBUS)), 0);
	assert_true(kernel_mask() & bit(SIGUSR1));
	sigemptyset(&all);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &old), 0);
	assert_int_equal(sigismember(&old, SIGSEGV), 1);
	assert_int_equal(sigismember(&old, SIGBUS), 1);
	assert_int_equal(sigismember(&old, SIGUSR1), 1);
	assert_int_equal(is_blocked(SIGBUS), 0);
	assert_int_equal(pthread_sigmask(77, &all, NULL), EINVAL);
}

static void reset_twice(void)
{
	install(SIGSEGV, jump_out, SA_SIGINFO | (int)SA_RESETHAND);
	if (!sigsetjmp(escape, 1))
		touch_bad();
	if (calls != 1)
		_exit(1);
	touch_bad();
}

static void resethand_handles_one(void **state)
{
	struct sigaction old;

	install(SIGSEGV, jump_out, SA_SIGINFO | (int)SA_RESETHAND);
	if (!sigsetjmp(escape, 1))
		touch_bad();
	sigaction(SIGSEGV, NULL, &old);
	assert_ptr_equal(old.sa_handler, SIG_DFL);
	calls = 0;
	assert_int_equal(child_dies_of(reset_twice), SIGSEGV);
}

static void fault_within(int sig)
{
	calls++;
	if (calls < 3)
		touch_bad();
	siglongjmp(escape, 1);
}

static void nested_deferred(void)
{
	install(SIGSEGV, fault_within, 0);
	if (!sigsetjmp(escape, 1))
		touch_bad();
}

static void a_fault_in_the_handler_kills_unless_nodefer(void **state)
{
	assert_int_equal(child_dies_of(nested_deferred), SIGSEGV);
	install(SIGSEGV, fault_within, SA_NODEFER);
	if (!sigsetjmp(escape, 1))
		touch_bad();
	assert_int_equal(calls, 3);
	assert_int_equal(is_blocked(SIGSEGV), 0);
}

static void see_mask(int sig)
{
	calls++;
	sigprocmask(SIG_BLOCK, NULL, &last_mask);
	raise(SIGUSR1);
	raise(SIGBUS);
}

static volatile sig_atomic_t others;

static void count_other(int sig)
{
	others++;
}

static void the_handlers_mask_is_in_force_while_it_runs(void **state)
{
	struct sigaction act = { .sa_handler = see_mask };

	others = 0;
	install(SIGUSR1, count_other, 0);
	install(SIGBUS, count_other, 0);
	sigaddset(&act.sa_mask, SIGUSR1);
	sigaddset(&act.sa_mask, SIGBUS);
	sigaction(SIGSEGV, &act, NULL);
	raise(SIGSEGV);
	assert_int_equal(calls, 1);
	assert_int_equal(sigismember(&last_mask, SIGUSR1), 1);
	assert_int_equal(sigismember(&last_mask, SIGBUS), 1);
	assert_int_equal(sigismember(&last_mask, SIGSEGV), 1);
	assert_int_equal(sigismember(&last_mask, SIGUSR2), 0);
	/* Both waited for the handler's end, and then came. */
	assert_int_equal(others, 2);
	assert_int_equal(is_blocked(SIGUSR1), 0);
	assert_int_equal(is_blocked(SIGBUS), 0);
}

static void the_handler_runs_on_the_alternate_stack(void **state)
{
	static uint8_t memory[65536];
	stack_t alt = { .ss_sp = memory, .ss_size = sizeof(memory) }, old;

	assert_int_equal(sigaltstack(&alt, &old), 0);
	install(SIGSEGV, jump_out, SA_SIGINFO | SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		if (!sigsetjmp(escape, 1))
			touch_bad();
		assert_int_equal(calls, i + 1);
		assert_in_range((uintptr_t)last_sp, (uintptr_t)memory,
				(uintptr_t)memory + sizeof(memory) - 1);
		assert_int_equal(is_blocked(SIGSEGV), 0);
	}
	old.ss_flags = SS_DISABLE;
	assert_int_equal(sigaltstack(&old, NULL), 0);
}

static size_t not_copied;

static void copy_bad(int sig)
{
	uint8_t byte;

	calls++;
	not_copied = fault_copy(&byte, bad, 1);
}

static void fault_safe_copies_are_never_the_programs_business(void **state)
{
	sigset_t all;
	uint8_t byte;

	install(SIGSEGV, count, 0);
	assert_int_equal(fault_copy(&byte, bad, 1), 1);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	assert_int_equal(fault_copy(&byte, bad, 1), 1);
	signal(SIGSEGV, SIG_IGN);
	assert_int_equal(fault_copy(&byte, bad, 1), 1);
	assert_int_equal(calls, 0);
}

static void other_handlers_run_without_ours_blocked(void **state)
{
	struct sigaction act = { .sa_handler = copy_bad }, old;

	sigfillset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	assert_int_equal(calls, 1);
	assert_int_equal(not_copied, 1);
	sigaction(SIGUSR1, NULL, &old);
	assert_int_equal(sigismember(&old.sa_mask, SIGSEGV), 1);
	assert_int_equal(sigismember(&old.sa_mask, SIGUSR2), 1);
	act.sa_handler = SIG_DFL;
	sigemptyset(&act.sa_mask);
	sigaction(SIGUSR1, &act, &old);
	assert_int_equal(sigismember(&old.sa_mask, SIGBUS), 1);
	sigaction(SIGUSR1, NULL, &old);
	assert_int_equal(sigismember(&old.sa_mask, SIGSEGV), 0);
}

/* Each waits with everything but SIGUSR1 blocked, and is woken by a handler that makes a bad copy. */
static void waiting_calls_do_not_block_ours(void **state)
{
	struct timespec second = { 1, 0 };
	struct pollfd nothing = { .fd = -1 };
	struct epoll_event event;
	sigset_t usr1 = set_of(SIGUSR1), most;
	int epfd = epoll_create1(0);

	install(SIGUSR1, copy_bad, 0);
	sigfillset(&most);
	sigdelset(&most, SIGUSR1);
	for (int i = 0; i < 5; i++) {
		int ret = 0;

		sigprocmask(SIG_BLOCK, &usr1, NULL);
		raise(SIGUSR1);
		not_copied = 0;
		switch (i) {
		case 0:
			ret = pselect(0, NULL, NULL, NULL, &second, &most);
			break;
		case 1:
			ret = ppoll(&nothing, 1, &second, &most);
			break;
		case 2:
			ret = epoll_pwait(epfd, &event, 1, 1000, &most);
			break;
		case 3:
			ret = epoll_pwait2(epfd, &event, 1, &second, &most);
			break;
		case 4:
			ret = sigsuspend(&most);
			break;
		}
		assert_int_equal(ret, -1);
		assert_int_equal(errno, EINTR);
		assert_int_equal(not_copied, 1);
		assert_int_equal(calls, i + 1);
		assert_int_equal(is_blocked(SIGSEGV), 0);
	}
	close(epfd);
}

static void sigsuspend_lets_a_waiting_one_in(void **state)
{
	sigset_t segv = set_of(SIGSEGV), none;

	install(SIGSEGV, count, 0);
	sigprocmask(SIG_BLOCK, &segv, NULL);
	raise(SIGSEGV);
	assert_int_equal(calls, 0);
	sigemptyset(&none);
	assert_int_equal(sigsuspend(&none), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(calls, 1);
	assert_int_equal(is_blocked(SIGSEGV), 1);
}

static void the_older_calls_agree(void **state)
{
	struct sigaction old;

	setup(state); /* again: the test runner's own handler came in between */
	assert_ptr_equal(signal(SIGSEGV, count), SIG_DFL);
	assert_ptr_equal(signal(SIGSEGV, SIG_IGN), count);
	sigaction(SIGSEGV, NULL, &old);
	assert_ptr_equal(old.sa_handler, SIG_IGN);
	assert_ptr_equal(signal(SIGSEGV, SIG_ERR), SIG_ERR);
	assert_int_equal(errno, EINVAL);

	assert_ptr_equal(sysv_signal(SIGBUS, count), SIG_DFL);
	raise(SIGBUS);
	assert_int_equal(calls, 1);
	assert_ptr_equal(signal(SIGBUS, count), SIG_DFL);

	assert_int_equal(sighold(SIGBUS), 0);
	raise(SIGBUS);
	assert_int_equal(calls, 1);
	assert_int_equal(sigrelse(SIGBUS), 0);
	assert_int_equal(calls, 2);
	assert_ptr_equal(sigset(SIGBUS, SIG_HOLD), count);
	assert_int_equal(is_blocked(SIGBUS), 1);
	assert_ptr_equal(sigset(SIGBUS, count), SIG_HOLD);
	assert_int_equal(is_blocked(SIGBUS), 0);
	assert_int_equal(sigignore(SIGBUS), 0);
	raise(SIGBUS);
	assert_int_equal(calls, 2);

	assert_int_equal(siginterrupt(SIGSEGV, 1), 0);
	sigaction(SIGSEGV, NULL, &old);
	assert_int_equal(old.sa_flags & SA_RESTART, 0);
	assert_int_equal(siginterrupt(SIGSEGV, 0), 0);
	sigaction(SIGSEGV, NULL, &old);
	assert_int_equal(old.sa_flags & SA_RESTART, SA_RESTART);

	install(SIGUSR1, count, 0);
	sigset_t usr1 = set_of(SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	assert_int_equal(sigpause(SIGUSR1), -1); /* System V's, in these headers */
	assert_int_equal(errno, EINTR);
	assert_int_equal(calls, 3);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);

	assert_int_equal(sigblock(1 << (SIGSEGV - 1)), 0);
	assert_int_equal(sigsetmask(0), 1 << (SIGSEGV - 1));
	assert_int_equal(siggetmask(), 0);
}

static void *thread_faults(void *arg)
{
	static __thread sigjmp_buf here;
	long *done = arg;

	for (int i = 0; i < 200; i++) {
		uint8_t byte;

		if (fault_copy(&byte, bad, 1) == 1)
			++*done;
		if (!sigsetjmp(here, 1))
			raise(SIGSEGV);
	}
	return NULL;
}

static void many_threads_may_fault_and_be_signalled(void **state)
{
	pthread_t threads[4];
	long done[4] = { 0 };

	signal(SIGSEGV, SIG_IGN);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, thread_faults, &done[i]);
	for (int i = 0; i < 300; i++)
		signal(SIGSEGV, i & 1 ? SIG_IGN : count);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(done[i], 200);
	}
}

/* In a program executed by the next test: what it was handed. */
static int inherited(void)
{
	struct sigaction segv, bus;

	sigaction(SIGSEGV, NULL, &segv);
	sigaction(SIGBUS, NULL, &bus);
	return !(segv.sa_handler == SIG_IGN && bus.sa_handler == SIG_DFL && is_blocked(SIGBUS) &&
		 !is_blocked(SIGSEGV));
}

#if !UNDER_ASAN /* its runtime takes SIGSEGV before main() of what is executed */
static void exec_ignoring_and_blocking(void)
{
	sigset_t set = set_of(SIGBUS);

	signal(SIGSEGV, SIG_IGN);
	signal(SIGBUS, count);
	sigprocmask(SIG_SETMASK, &set, NULL);
	execl("/nowhere", "nothing", NULL);
	if (kernel_mask() & bit(SIGBUS))
		_exit(8); /* not undone after a failure */
	execl("/proc/self/exe", "test_signals", "inherited", NULL);
	_exit(9);
}

static void exec_hands_on_what_is_ignored_and_blocked(void **state)
{
	assert_int_equal(child_dies_of(exec_ignoring_and_blocking), 0);
}
#endif

static void errors_are_libcs_own(void **state)
{
	struct sigaction act = { .sa_handler = count };

	assert_int_equal(sigaction(0, &act, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sigaction(SIGKILL, &act, NULL), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sigaction(65, &act, NULL), -1);
	assert_int_equal(errno, EINVAL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(query_shows_the_programs_own, setup),
		cmocka_unit_test_setup(a_fault_calls_the_programs_handler, setup),
		cmocka_unit_test_setup(siglongjmp_out_of_a_handler_works_again_and_again, setup),
		cmocka_unit_test_setup(after_siglongjmp_a_fault_deeper_than_the_handler_works,
				       setup),
		cmocka_unit_test_setup(a_handler_may_change_the_context_and_the_mask, setup),
		cmocka_unit_test_setup(a_fault_nobody_handles_kills_with_its_own_signal, setup),
		cmocka_unit_test_setup(a_sent_signal_can_be_ignored, setup),
		cmocka_unit_test_setup(a_sent_signal_waits_while_blocked, setup),
		cmocka_unit_test_setup(masks_set_whole_are_remembered, setup),
		cmocka_unit_test_setup(resethand_handles_one, setup),
		cmocka_unit_test_setup(a_fault_in_the_handler_kills_unless_nodefer, setup),
		cmocka_unit_test_setup(the_handlers_mask_is_in_force_while_it_runs, setup),
		cmocka_unit_test_setup(the_handler_runs_on_the_alternate_stack, setup),
		cmocka_unit_test_setup(fault_safe_copies_are_never_the_programs_business, setup),
		cmocka_unit_test_setup(other_handlers_run_without_ours_blocked, setup),
		cmocka_unit_test_setup(waiting_calls_do_not_block_ours, setup),
		cmocka_unit_test_setup(sigsuspend_lets_a_waiting_one_in, setup),
		cmocka_unit_test_setup(the_older_calls_agree, setup),
		cmocka_unit_test_setup(many_threads_may_fault_and_be_signalled, setup),
#if !UNDER_ASAN
		cmocka_unit_test_setup(exec_hands_on_what_is_ignored_and_blocked, setup),
#endif
		cmocka_unit_test_setup(errors_are_libcs_own, setup),
	};

	bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	signals_install();
	if (argc > 1)
		return inherited();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
