/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals and cancellation that arrive while a thread is in the engine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interpose/engine.h"
#include "interpose/enter.h"
#include "interpose/signals.h"

#include "../faults.h"

static sigjmp_buf escape;
static volatile sig_atomic_t calls;
static siginfo_t last_info;
static sigset_t last_mask;

static uint64_t kernel_mask(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
	return mask;
}

static void install(int sig, void *handler, int flags)
{
	struct sigaction act = { .sa_flags = flags };

	act.sa_handler = (sighandler_t)handler;
	sigemptyset(&act.sa_mask);
	sigaction(sig, &act, NULL);
}

static void relay_note(int sig, siginfo_t *info, void *context)
{
	calls++;
	last_info = *info;
	sigprocmask(SIG_BLOCK, NULL, &last_mask);
}

/* In a child, as relaying does not end. */
static void in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signals_relay_begin();
		calls = 0;
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define EXPECT(cond)                               \
	do {                                       \
		if (!(cond))                       \
			_exit(__LINE__ % 255 + 1); \
	} while (0)

static void held_body(void)
{
	union sigval value = { .sival_int = 4711 };
	struct sigaction now;
	uint64_t mask;

	install(SIGUSR1, relay_note, SA_SIGINFO | SA_RESTART);
	install(SIGRTMIN, relay_note, SA_SIGINFO | SA_NODEFER);
	EXPECT(!sigaction(SIGUSR1, NULL, &now));
	EXPECT(now.sa_sigaction == relay_note);
	EXPECT((now.sa_flags & (SA_SIGINFO | SA_RESTART | SA_RESETHAND)) ==
	       (SA_SIGINFO | SA_RESTART));
	mask = kernel_mask();
	engine_enter();
	engine_enter();
	sigqueue(getpid(), SIGRTMIN, value);
	engine_leave();
	EXPECT(!calls);
	engine_leave();
	EXPECT(calls == 1);
	EXPECT(last_info.si_code == SI_QUEUE && last_info.si_value.sival_int == 4711);
	EXPECT(kernel_mask() == mask);
	raise(SIGUSR1);
	EXPECT(calls == 2);
	EXPECT(sigismember(&last_mask, SIGUSR1) == 1);
	engine_enter();
	sigqueue(getpid(), SIGRTMIN, value);
	sigqueue(getpid(), SIGRTMIN, value);
	raise(SIGUSR1);
	EXPECT(calls == 2);
	engine_leave();
	EXPECT(calls == 5);
	EXPECT(kernel_mask() == mask);
}

static void handlers_wait_until_the_engine_is_left(void **state)
{
	in_child(held_body);
}

static void once_body(void)
{
	struct sigaction now;

	install(SIGUSR1, relay_note, SA_SIGINFO | (int)SA_RESETHAND);
	EXPECT(!sigaction(SIGUSR1, NULL, &now));
	EXPECT(now.sa_flags & (int)SA_RESETHAND);
	engine_enter();
	raise(SIGUSR1);
	engine_leave();
	EXPECT(calls == 1);
	EXPECT(!sigaction(SIGUSR1, NULL, &now));
	EXPECT(now.sa_handler == SIG_DFL);
	signal(SIGUSR1, SIG_IGN);
	raise(SIGUSR1);
	EXPECT(signal(SIGUSR1, (sighandler_t)(void *)relay_note) == SIG_IGN);
	EXPECT(signal(SIGUSR1, SIG_DFL) == (sighandler_t)(void *)relay_note);
}

static void a_held_handler_that_runs_once_runs_once(void **state)
{
	in_child(once_body);
}

static void escape_now(int sig)
{
	calls++;
	siglongjmp(escape, 1);
}

static void jump_body(void)
{
	volatile uint64_t mask = kernel_mask();

	signal(SIGUSR1, escape_now);
	install(SIGUSR2, relay_note, SA_SIGINFO);
	for (volatile int i = 0; i < 3; i++) {
		if (!sigsetjmp(escape, 1)) {
			engine_enter();
			raise(SIGUSR2);
			raise(SIGUSR1);
			EXPECT(calls == 2 * i);
			engine_leave();
			EXPECT(false);
		}
		EXPECT(calls == 2 * i + 2);
		EXPECT(kernel_mask() == mask);
	}
}

static void a_held_handler_may_leave_by_siglongjmp(void **state)
{
	in_child(jump_body);
}

static void fault_body(void)
{
	install(SIGSEGV, relay_note, SA_SIGINFO);
	engine_enter();
	raise(SIGSEGV);
	EXPECT(!calls);
	engine_leave();
	EXPECT(calls == 1);
}

static void a_sent_sigsegv_waits_as_well(void **state)
{
	in_child(fault_body);
}

#if !UNDER_ASAN /* it writes to the stack of a cancelled thread, after its end */
static void *cancelled(void *arg)
{
	int type;

	if (arg)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	engine_enter();
	pthread_cancel(pthread_self());
	poll(NULL, 0, 1);
	calls++;
	engine_leave();
	poll(NULL, 0, 1000);
	calls++;
	return NULL;
}

static void nobody_is_cancelled_inside(void **state)
{
	pthread_t thread;
	void *result;

	for (uintptr_t async = 0; async < 2; async++) {
		calls = 0;
		assert_int_equal(pthread_create(&thread, NULL, cancelled, (void *)async), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_ptr_equal(result, PTHREAD_CANCELED);
		assert_int_equal(calls, 1);
	}
}
#endif

static int setup(void **state)
{
	signals_install();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handlers_wait_until_the_engine_is_left),
		cmocka_unit_test(a_held_handler_that_runs_once_runs_once),
		cmocka_unit_test(a_held_handler_may_leave_by_siglongjmp),
		cmocka_unit_test(a_sent_sigsegv_waits_as_well),
#if !UNDER_ASAN
		cmocka_unit_test(nobody_is_cancelled_inside),
#endif
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("signals_relay", tests, setup, NULL);
}
