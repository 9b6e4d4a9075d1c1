/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RCU: a writer goes only when everybody who came before its change has left, with
 * and without the kernel's help, with more threads than there are slots, in children.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "base/rcu.h"
#include "replaced.h"

static atomic_bool synced, stop;

static int setup(void **state)
{
	rcu_init();
	atomic_store(&synced, false);
	atomic_store(&stop, false);
	return 0;
}

static void *sync_once(void *arg)
{
	rcu_sync();
	atomic_store(&synced, true);
	return NULL;
}

static void nobody_inside_lets_the_writer_through(void **state)
{
	assert_int_equal(rcu_sync(), 0);
	rcu_leave(rcu_enter());
	assert_false(rcu_inside());
	assert_int_equal(rcu_sync(), 0);
}

static void the_writer_waits_for_who_is_inside(void **state)
{
	unsigned outer = rcu_enter();
	unsigned inner = rcu_enter();
	pthread_t writer;

	assert_true(rcu_inside());
	assert_int_equal(pthread_create(&writer, NULL, sync_once, NULL), 0);
	usleep(20000);
	assert_false(atomic_load(&synced));
	rcu_leave(inner);
	usleep(20000);
	assert_false(atomic_load(&synced));
	rcu_leave(outer);
	pthread_join(writer, NULL);
	assert_true(atomic_load(&synced));
}

static void who_comes_back_is_not_waited_for(void **state)
{
	unsigned token = rcu_enter();
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, sync_once, NULL), 0);
	usleep(20000);
	assert_false(atomic_load(&synced));
	rcu_leave(token);
	token = rcu_enter();
	pthread_join(writer, NULL);
	rcu_leave(token);
}

static void waiting_for_oneself_is_refused(void **state)
{
	unsigned token = rcu_enter();

	assert_int_equal(rcu_sync(), -EDEADLK);
	rcu_leave(token);
	assert_int_equal(rcu_sync(), 0);
}

/* More threads at once than there are slots: the rest passes the gate. */
#define CROWD (RCU_SLOTS + 20)

static pthread_barrier_t inside, leave;

static void *stay(void *arg)
{
	unsigned token = rcu_enter(), nested = rcu_enter();

	assert_true(rcu_inside());
	assert_int_equal(rcu_sync(), -EDEADLK);
	pthread_barrier_wait(&inside);
	pthread_barrier_wait(&leave);
	rcu_leave(nested);
	rcu_leave(token);
	assert_false(rcu_inside());
	return NULL;
}

static void a_crowd_is_waited_for_too(void **state)
{
	pthread_t threads[CROWD], writer;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 << 10);
	pthread_barrier_init(&inside, NULL, CROWD + 1);
	pthread_barrier_init(&leave, NULL, CROWD + 1);
	for (unsigned round = 0; round < 2;
	     round++) { /* slots of threads that ended are used again */
		atomic_store(&synced, false);
		for (unsigned i = 0; i < CROWD; i++)
			assert_int_equal(pthread_create(&threads[i], &attr, stay, NULL), 0);
		pthread_barrier_wait(&inside);
		assert_int_equal(pthread_create(&writer, NULL, sync_once, NULL), 0);
		usleep(20000);
		assert_false(atomic_load(&synced));
		pthread_barrier_wait(&leave);
		pthread_join(writer, NULL);
		for (unsigned i = 0; i < CROWD; i++)
			pthread_join(threads[i], NULL);
	}
	pthread_attr_destroy(&attr);
	pthread_barrier_destroy(&inside);
	pthread_barrier_destroy(&leave);
}

static void a_child_does_not_wait_for_its_parents_threads(void **state)
{
	pthread_t other;
	int status;
	pid_t pid;

	pthread_barrier_init(&inside, NULL, 2);
	pthread_barrier_init(&leave, NULL, 2);
	assert_int_equal(pthread_create(&other, NULL, stay, NULL), 0);
	pthread_barrier_wait(&inside);
	pid = fork();
	if (!pid) {
		alarm(10);
		rcu_leave(rcu_enter());
		_exit(rcu_sync() || rcu_inside());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	pthread_barrier_wait(&leave);
	pthread_join(other, NULL);
	pthread_barrier_destroy(&inside);
	pthread_barrier_destroy(&leave);
}

/* Destructors of the program's own keys may look, too, in any round of them. */
static pthread_key_t late_key;
static unsigned late;

static void look_late(void *arg)
{
	unsigned token = rcu_enter();

	assert_true(rcu_inside());
	assert_null(rcu_self); /* a slot would stay taken for ever */
	assert_int_equal(rcu_sync(), -EDEADLK);
	rcu_leave(token);
	assert_false(rcu_inside());
	if (++late < 3)
		pthread_setspecific(late_key, arg);
}

static void *end_late(void *arg)
{
	rcu_leave(rcu_enter());
	assert_non_null(rcu_self);
	pthread_setspecific(late_key, arg);
	return NULL;
}

static void a_thread_that_is_ending_passes_the_gate(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_key_create(&late_key, look_late), 0);
	assert_int_equal(pthread_create(&thread, NULL, end_late, &late), 0);
	pthread_join(thread, NULL);
	assert_int_equal(late, 3);
	pthread_key_delete(late_key);
	assert_int_equal(rcu_sync(), 0);
}

static void *the_slot_serves_again(void *arg)
{
	unsigned token = rcu_enter();

	if (token != RCU_OUTERMOST)
		_exit(3);
	rcu_leave(token);
	return arg;
}

static void *end_inside(void *arg)
{
	rcu_enter();
	return arg;
}

/* One that was cancelled, say. In a child: to wait for it would be for ever. */
static void a_thread_that_ends_inside_has_left(void **state)
{
	pthread_t thread;
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(10);
		for (unsigned round = 0; round < 2; round++) {
			pthread_create(&thread, NULL, end_inside, NULL);
			pthread_join(thread, NULL);
			if (rcu_sync())
				_exit(1);
		}
		/* who gets its slot is waited for */
		pthread_create(&thread, NULL, the_slot_serves_again, NULL);
		pthread_join(thread, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Beyond these the C library allocates, which a signal handler must not. */
#define KEYS_IN_PLACE 32u

static int many_keys(void)
{
	pthread_key_t one;
	unsigned token;

	do {
		if (pthread_key_create(&one, NULL))
			return 2;
	} while (one < KEYS_IN_PLACE);
	rcu_init();
	token = rcu_enter();
	if (rcu_self || !rcu_inside())
		return 1;
	rcu_leave(token);
	return rcu_inside() || rcu_sync();
}

static void a_program_with_many_keys_allocates_nothing(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(many_keys());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void sync_all(void)
{
	rcu_sync();
}

static struct replaced_ways ways = { rcu_enter, rcu_leave, sync_all, 300, NULL };

/* Readers are interrupted by a handler that looks, too. */
static void look_in_handler(int sig)
{
	unsigned token = rcu_enter();

	replaced_look();
	if (rcu_sync() != -EDEADLK)
		atomic_fetch_add(&replaced_poison, 1);
	rcu_leave(token);
}

static void interrupt(const pthread_t *readers)
{
	for (unsigned i = 0; i < 20000; i++)
		pthread_kill(readers[i % REPLACED_READERS], SIGUSR1);
}

static void nobody_inside_sees_what_was_taken_away(void **state)
{
	replaced_stress(&ways);
}

static void nor_without_membarrier(void **state)
{
	rcu_set_fenced(true);
	replaced_stress(&ways);
	rcu_set_fenced(false);
}

static void nor_in_signal_handlers(void **state)
{
	struct sigaction act = { .sa_handler = look_in_handler, .sa_flags = SA_RESTART }, old;

	sigaction(SIGUSR1, &act, &old);
	ways.meanwhile = interrupt;
	replaced_stress(&ways);
	ways.meanwhile = NULL;
	sigaction(SIGUSR1, &old, NULL);
}

/*
 * The one thing that fences are for: a reader whose store to its count is still on its way
 * to memory while it looks already. Both sides set out at the same moment, over and over;
 * after rcu_sync() no reader may be inside that saw what was there before.
 */
#define MEETINGS 20000u

static atomic_uint meeting, published, old_inside, met;

static void *meet(void *arg)
{
	for (unsigned round = 1;; round++) {
		unsigned token, now;

		do
			now = atomic_load_explicit(&meeting, memory_order_acquire);
		while (now < round);
		if (now > round)
			return NULL;
		token = rcu_enter();
		if (atomic_load_explicit(&published, memory_order_relaxed) != round)
			atomic_store_explicit(&old_inside, 1, memory_order_relaxed);
		for (unsigned i = 0; i < 1000; i++)
			__asm__ volatile("" ::: "memory");
		atomic_store_explicit(&old_inside, 0, memory_order_relaxed);
		rcu_leave(token);
		atomic_store_explicit(&met, round, memory_order_release);
	}
}

static void run_meetings(void)
{
	const time_t until = time(NULL) + 2; /* the machine may have other things to do */
	unsigned missed = 0;
	pthread_t thread;

	atomic_store(&meeting, 0);
	assert_int_equal(pthread_create(&thread, NULL, meet, NULL), 0);
	for (unsigned round = 1; round <= MEETINGS && time(NULL) < until; round++) {
		atomic_store_explicit(&meeting, round, memory_order_release);
		for (unsigned i = 0; i < round % 300; i++)
			__asm__ volatile("" ::: "memory");
		atomic_store_explicit(&published, round, memory_order_relaxed);
		assert_int_equal(rcu_sync(), 0);
		while (atomic_load_explicit(&met, memory_order_acquire) != round)
			missed += atomic_load_explicit(&old_inside, memory_order_relaxed);
	}
	atomic_store(&meeting, UINT32_MAX);
	pthread_join(thread, NULL);
	assert_int_equal(missed, 0);
}

static void who_looks_before_it_is_seen_is_seen_after_all(void **state)
{
	run_meetings();
}

static void and_without_membarrier(void **state)
{
	rcu_set_fenced(true);
	run_meetings();
	rcu_set_fenced(false);
}

static struct timespec later;

/* Sees that readers make the fence now; but those that were inside did not know. */
static void *sync_as_the_second(void *arg)
{
	atomic_store(&synced, true);
	while (!atomic_load(&rcu_fenced))
		;
	rcu_sync();
	clock_gettime(CLOCK_MONOTONIC, &later);
	return NULL;
}

static double ns_between(const struct timespec *a, const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) * 1e9 + (double)(b->tv_nsec - a->tv_nsec);
}

/* In a child that has closed a sandbox without membarrier around itself. */
static int sandboxed(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct timespec start;
	pthread_t second;
	struct sock_fprog filter = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		return 2; /* not to be had here, as in some containers */
	if (pthread_create(&second, NULL, sync_as_the_second, NULL))
		return 2;
	while (!atomic_load(&synced))
		;
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (rcu_sync() || !atomic_load(&rcu_fenced))
		return 1;
	pthread_join(second, NULL);
	if (ns_between(&start, &later) < 1e6)
		return 3;
	rcu_leave(rcu_enter());
	return rcu_sync();
}

static void a_sandbox_that_is_closed_later_does_no_harm(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(10);
		_exit(sandboxed());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_program_with_many_keys_allocates_nothing), /* before rcu_init() */
		cmocka_unit_test_setup(nobody_inside_lets_the_writer_through, setup),
		cmocka_unit_test_setup(the_writer_waits_for_who_is_inside, setup),
		cmocka_unit_test_setup(who_comes_back_is_not_waited_for, setup),
		cmocka_unit_test_setup(waiting_for_oneself_is_refused, setup),
		cmocka_unit_test_setup(a_crowd_is_waited_for_too, setup),
		cmocka_unit_test_setup(a_child_does_not_wait_for_its_parents_threads, setup),
		cmocka_unit_test_setup(a_thread_that_is_ending_passes_the_gate, setup),
		cmocka_unit_test_setup(a_thread_that_ends_inside_has_left, setup),
		cmocka_unit_test_setup(nobody_inside_sees_what_was_taken_away, setup),
		cmocka_unit_test_setup(nor_without_membarrier, setup),
		cmocka_unit_test_setup(nor_in_signal_handlers, setup),
		cmocka_unit_test_setup(who_looks_before_it_is_seen_is_seen_after_all, setup),
		cmocka_unit_test_setup(and_without_membarrier, setup),
		cmocka_unit_test_setup(a_sandbox_that_is_closed_later_does_no_harm, setup),
	};

	return cmocka_run_group_tests_name("rcu", tests, NULL, NULL);
}
