/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptor table, against the kernel's own. The test stands in for
 * fork.c: it decides whose process this is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "interpose/fd.h"
#include "interpose/fork.h"
#include "interpose/holder.h"
#include "interpose/ready.h"

static struct file file;
static unsigned released;
static bool here = true;

bool fork_here(void)
{
	return here;
}

void fork_settle(void)
{
}

int fork_watch(void)
{
	return 0;
}

static void release(struct file *f)
{
	released++;
}

static const struct file_ops ops = { .release = release };

/* Files that are allocated, and count their end. */
static atomic_uint owned_released;

static void owned_release(struct file *f)
{
	atomic_fetch_add(&owned_released, 1);
	free(f);
}

static const struct file_ops owned_ops = { .release = owned_release };

static int setup(void **state)
{
	file_init(&file, &ops, "/dev/test");
	released = 0;
	here = true;
	return 0;
}

static int install(int oflags)
{
	int fd = fd_install(&file, oflags);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* The hidden numbers now in use: how many, and the highest. */
static unsigned hidden(int *highest)
{
	unsigned nr = 0;

	for (int fd = 0; fd < FD_MAX; fd++) {
		if (fd_mark(fd) != FD_HIDDEN)
			continue;
		nr++;
		*highest = fd;
	}
	return nr;
}

static void numbers_are_the_lowest_free_ones(void **state)
{
	int free_one = dup(0), fd;

	close(free_one);
	fd = install(O_RDWR);
	assert_int_equal(fd, free_one);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_string_equal(fd_path(fd), "/dev/test");
	assert_int_equal(fd_close(fd), 0);
	assert_int_equal(released, 1);
	assert_false(is_open(fd));
	assert_null(fd_path(fd));
}

static void cloexec_is_as_asked(void **state)
{
	int fd = install(O_RDWR | O_CLOEXEC);

	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	fd_close(fd);
}

static void duplicates_keep_the_file(void **state)
{
	int fd = install(O_RDWR), err;
	int two = fd_dup(fd, 100, true);
	struct open_file *a, *b;

	assert_int_equal(two, 100);
	assert_int_equal(fcntl(two, F_GETFD), FD_CLOEXEC);
	a = fd_get(fd, &err);
	b = fd_get(two, &err);
	assert_ptr_equal(a, b);
	fd_put(a);
	fd_put(b);
	fd_close(fd);
	assert_int_equal(released, 0);
	assert_string_equal(fd_path(two), "/dev/test");
	fd_close(two);
	assert_int_equal(released, 1);
}

static void dup2_over_the_last_number_releases(void **state)
{
	int fd = install(O_RDWR);

	assert_int_equal(fd_dup_to(0, fd, 0, true), fd);
	assert_int_equal(released, 1);
	assert_null(fd_path(fd));
	close(fd);
}

static void dup2_of_ours_over_another(void **state)
{
	int fd = install(O_RDWR), other = dup(0);

	assert_int_equal(fd_dup_to(fd, fd, 0, true), fd);
	assert_int_equal(fd_dup_to(fd, fd, 0, false), -EINVAL);
	assert_int_equal(fd_dup_to(fd, other, O_CLOEXEC, false), other);
	assert_int_equal(fcntl(other, F_GETFD), FD_CLOEXEC);
	fd_close(fd);
	assert_int_equal(released, 0);
	fd_close(other);
	assert_int_equal(released, 1);
}

static void a_call_in_flight_keeps_the_file(void **state)
{
	int fd = install(O_RDWR), err;
	struct open_file *of = fd_get(fd, &err);

	fd_close(fd);
	assert_int_equal(released, 0);
	assert_null(fd_get(fd, &err));
	assert_int_equal(err, -EBADF);
	fd_put(of);
	assert_int_equal(released, 1);
}

static void hidden_numbers_do_not_exist_for_the_program(void **state)
{
	int fd = install(O_RDWR), high = -1;

	assert_int_equal(hidden(&high), 1);
	assert_true(high > fd);
	assert_int_equal(fd_close(high), -EBADF);
	assert_int_equal(fd_dup(high, 0, false), -EBADF);
	assert_int_equal(fd_dup_to(high, 50, 0, true), -EBADF);
	assert_true(is_open(high));
	fd_close(fd);
	assert_int_equal(hidden(&high), 0);
	assert_false(is_open(high));
}

static void a_hidden_number_moves_when_the_program_wants_it(void **state)
{
	int fd = install(O_RDWR), high = -1, now = -1;

	hidden(&high);
	assert_int_equal(fd_dup_to(0, high, 0, true), high);
	assert_int_equal(hidden(&now), 1);
	assert_int_not_equal(now, high);
	fd_sweep();
	assert_int_equal(released, 0);
	close(high);
	fd_close(fd);
	assert_int_equal(released, 1);
}

static void close_range_spares_the_hidden(void **state)
{
	int fd = install(O_RDWR), other = dup(0), high = -1;

	hidden(&high);
	assert_int_equal(fd_close_range(fd, ~0u, 0), 0);
	assert_false(is_open(fd));
	assert_false(is_open(other));
	assert_int_equal(released, 1);
	assert_int_equal(fd_close_range(5, 4, 0), -EINVAL);

	fd = install(O_RDWR);
	hidden(&high);
	assert_int_equal(fd_close_range(fd + 1, ~0u, 0), 0);
	assert_true(is_open(high));
	assert_int_equal(released, 1);
	fd_close(fd);
}

static void a_child_that_holds_a_copy_keeps_the_file(void **state)
{
	int fd = install(O_RDWR), pipes[2];
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child) {
		close(pipes[1]);
		_exit((int)read(pipes[0], &fd, 1));
	}
	fd_close(fd);
	assert_int_equal(released, 0);
	fd_sweep();
	assert_int_equal(released, 0);
	close(pipes[1]);
	waitpid(child, NULL, 0);
	fd_sweep();
	assert_int_equal(released, 1);
	close(pipes[0]);
}

static void a_borrower_of_our_memory_changes_nothing(void **state)
{
	int fd = install(O_RDWR), high = -1, two;

	here = false;
	two = fd_dup(fd, 0, false);
	assert_true(two >= 0);
	assert_int_equal(fd_mark(two), 0);
	here = true;
	close(two);
	assert_string_equal(fd_path(fd), "/dev/test");
	assert_int_equal(hidden(&high), 1);
	fd_close(fd);
}

/* In a child, as what the parent had is forgotten without being released. */
static bool child_finds_foreign_numbers(int fd, int high)
{
	struct open_file *of, *same;
	int err, two;

	fd_abandon();
	if (is_open(high) || !is_open(fd) || fd_mark(fd) != FD_FOREIGN)
		return false;
	two = fd_dup(fd, 0, false);
	of = fd_get(two, &err);
	if (!of || !holder_is(of->file) || strcmp(of->file->path, "/dev/test") != 0 ||
	    (of->oflags & O_ACCMODE) != O_RDWR)
		return false;
	same = fd_get(fd, &err);
	if (same != of)
		return false;
	fd_put(of);
	fd_put(same);
	if (fd_close(two) || !fd_any() || fd_close(fd) || fd_any())
		return false;
	return !released && !fd_get(fd, &err) && err == -EBADF;
}

static void an_inherited_number_is_foreign(void **state)
{
	int fd = install(O_RDWR), high = -1, status;
	pid_t child;

	hidden(&high);
	child = fork();
	if (!child)
		_exit(child_finds_foreign_numbers(fd, high) ? 0 : 1);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_string_equal(fd_path(fd), "/dev/test");
	fd_close(fd);
	assert_int_equal(released, 1);
}

static void a_number_that_arrives_is_known_by_its_socket(void **state)
{
	int fd = install(O_RDWR), two = dup(fd), err;
	struct open_file *of;

	assert_null(fd_get(two, &err));
	fd_recognise(two);
	of = fd_get(two, &err);
	assert_non_null(of);
	fd_put(of);
	fd_recognise(0);
	assert_null(fd_get(0, &err));
	fd_close(fd);
	fd_close(two);
	assert_int_equal(released, 1);
}

static void a_number_closed_behind_our_back_is_forgotten(void **state)
{
	int fd = install(O_RDWR);

	close(fd);
	fd_sweep();
	assert_int_equal(released, 1);
	assert_int_equal(fd_mark(fd), 0);
}

#define SHARED 40 /* a number that threads fight for */
#define STORM  2000

static atomic_bool storm_over;
static atomic_uint wrong;

static void *storm_of_calls(void *arg)
{
	struct open_file *of;
	int err;

	while (!atomic_load(&storm_over)) {
		of = fd_get(SHARED, &err);
		if (!of)
			continue;
		if (of->file->ops != &owned_ops)
			atomic_fetch_add(&wrong, 1);
		fd_put(of);
	}
	return NULL;
}

static void *storm_of_closes(void *arg)
{
	for (int i = 0; i < STORM; i++) {
		struct file *f = calloc(1, sizeof(*f));
		int fd;

		file_init(f, &owned_ops, "storm");
		fd = fd_install(f, O_RDWR);
		if (fd < 0 || fd_dup_to(fd, SHARED, 0, true) != SHARED || fd_close(fd))
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

/* Calls that meet a close or a dup2 get the old file or the new one, whole. */
static void calls_and_closes_may_meet(void **state)
{
	pthread_t callers[2], closers[2];
	unsigned before = atomic_load(&owned_released);

	atomic_store(&storm_over, false);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&callers[i], NULL, storm_of_calls, NULL), 0);
		assert_int_equal(pthread_create(&closers[i], NULL, storm_of_closes, NULL), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(closers[i], NULL);
	atomic_store(&storm_over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(callers[i], NULL);
	fd_close(SHARED);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_int_equal(atomic_load(&owned_released) - before, 2 * STORM);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

/* Files whose readiness changes. */
static bool readable;

static short tell_readable(struct file *f)
{
	return readable ? POLLIN | POLLOUT : POLLOUT;
}

static const struct file_ops polled_ops = { .release = release, .poll = tell_readable };

static short polled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	assert_true(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void a_file_without_poll_is_always_ready(void **state)
{
	int fd = install(O_RDWR);

	assert_int_equal(polled(fd), POLLIN | POLLOUT);
	fd_close(fd);
}

static void poll_follows_the_file(void **state)
{
	unsigned before;
	int fd, two, highest;

	readable = false;
	before = hidden(&highest);
	file_init(&file, &polled_ops, "/dev/test");
	fd = install(O_RDWR);
	two = fd_dup(fd, 0, false);
	assert_int_equal(polled(fd), POLLOUT);
	file.wake(file.wake_arg); /* nothing to read after all: put right by the read */
	ready_settle(&file, fd);
	assert_int_equal(polled(fd), POLLOUT);

	readable = true;
	file.wake(file.wake_arg);
	file.wake(file.wake_arg);
	assert_int_equal(polled(fd), POLLIN | POLLOUT);
	ready_settle(&file, two);
	assert_int_equal(polled(two), POLLIN | POLLOUT);
	readable = false;
	ready_settle(&file, two);
	assert_int_equal(polled(fd), POLLOUT);
	assert_int_equal(polled(two), POLLOUT);
	fd_close(fd);
	fd_close(two);
	assert_int_equal(released, 1);
	assert_int_equal(hidden(&highest), before);
}

static void a_readable_file_starts_readable(void **state)
{
	int fd;

	readable = true;
	file_init(&file, &polled_ops, "/dev/test");
	fd = install(O_RDWR);
	assert_int_equal(polled(fd), POLLIN | POLLOUT);
	fd_close(fd);
}

/* A file may outlive its descriptor, and say so until it is released. */
static void waking_after_the_last_close_is_harmless(void **state)
{
	int fd;

	readable = false;
	file_init(&file, &polled_ops, "/dev/test");
	file_get(&file);
	fd = install(O_RDWR);
	fd_close(fd);
	assert_int_equal(released, 0);
	readable = true;
	file.wake(file.wake_arg);
	file_put(&file);
	assert_int_equal(released, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_are_the_lowest_free_ones),
		TEST(cloexec_is_as_asked),
		TEST(duplicates_keep_the_file),
		TEST(dup2_over_the_last_number_releases),
		TEST(dup2_of_ours_over_another),
		TEST(a_call_in_flight_keeps_the_file),
		TEST(hidden_numbers_do_not_exist_for_the_program),
		TEST(a_hidden_number_moves_when_the_program_wants_it),
		TEST(close_range_spares_the_hidden),
		TEST(a_child_that_holds_a_copy_keeps_the_file),
		TEST(a_borrower_of_our_memory_changes_nothing),
		TEST(an_inherited_number_is_foreign),
		TEST(a_number_that_arrives_is_known_by_its_socket),
		TEST(a_number_closed_behind_our_back_is_forgotten),
		TEST(a_file_without_poll_is_always_ready),
		TEST(poll_follows_the_file),
		TEST(a_readable_file_starts_readable),
		TEST(waking_after_the_last_close_is_harmless),
		TEST(calls_and_closes_may_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
