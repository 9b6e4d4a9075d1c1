/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of another process: here a child's, with a task that keeps it when the child is
 * gone, as keepers do.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory/owner_remote.h"

#define PAGE  4096u
#define STACK (64u << 10)

/**
 * struct other - a process whose memory is looked at
 * @owner: of its memory
 * @page: a page, at the same address in both processes
 * @go: a byte here ends it
 * @keep: while this end is open its memory stays
 */
struct other {
	struct rf_owner *owner;
	uint8_t *page;
	pid_t pid;
	int go[2], keep[2], alive[2];
};

static int keeper(void *arg)
{
	struct other *o = arg;
	char byte;

	/* its table of descriptors is a copy */
	syscall(SYS_close, o->alive[1]);
	syscall(SYS_close, o->keep[1]);
	syscall(SYS_read, o->keep[0], &byte, 1);
	syscall(SYS_exit, 0);
	return 0;
}

static void child(struct other *o, char *stack)
{
	char byte;

	close(o->alive[0]);
	memset(o->page, 0x5a, PAGE);
	if (clone(keeper, stack + STACK, CLONE_VM, o) < 0)
		_exit(1);
	close(o->keep[1]);
	_exit(read(o->go[0], &byte, 1) != 1);
}

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return open(path, flags | O_CLOEXEC);
}

static int setup(void **state)
{
	static struct other o;
	struct owner_fds fds;
	char *stack;

	o.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (o.page == MAP_FAILED || stack == MAP_FAILED || pipe(o.go) || pipe(o.keep) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, o.alive))
		return -1;
	o.pid = fork();
	if (!o.pid)
		child(&o, stack);
	close(o.alive[1]);
	close(o.keep[0]);
	fds.mem = open_of(o.pid, "mem", O_RDWR);
	fds.maps = open_of(o.pid, "maps", O_RDONLY);
	fds.alive = o.alive[0];
	o.owner = owner_new_remote(o.pid, &fds);
	*state = &o;
	return o.pid < 0 || fds.mem < 0 || fds.maps < 0 || !o.owner;
}

static void process_ends(struct other *o)
{
	int status;

	assert_int_equal(write(o->go[1], "", 1), 1);
	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	assert_int_equal(status, 0);
}

static int teardown(void **state)
{
	struct other *o = *state;

	close(o->keep[1]);
	close(o->go[0]);
	close(o->go[1]);
	owner_put(o->owner);
	munmap(o->page, PAGE);
	return 0;
}

/* It may still have to write the page: what it has is seen soon. */
static void await_page(struct other *o)
{
	uint8_t byte = 0;

	while (byte != 0x5a)
		assert_int_equal(owner_read(o->owner, &byte, (uintptr_t)o->page, 1), 0);
}

static void memory_is_the_processes_own(void **state)
{
	struct other *o = *state;
	uint8_t byte;

	await_page(o);
	assert_int_equal(o->page[0], 0);
	assert_int_equal(owner_write(o->owner, (uintptr_t)o->page, "\x11", 1), 0);
	assert_int_equal(owner_read(o->owner, &byte, (uintptr_t)o->page, 1), 0);
	assert_int_equal(byte, 0x11);
	assert_int_equal(owner_probe(o->owner, (uintptr_t)o->page, PAGE, RF_READ | RF_WRITE), 0);
	assert_int_equal(owner_read(o->owner, &byte, 0, 1), -EFAULT);
	process_ends(o);
}

static void only_pins_outlive_the_process(void **state)
{
	struct other *o = *state;
	uint8_t byte;

	await_page(o);
	process_ends(o);
	/* the keeper has it still, for devices */
	assert_int_equal(owner_dma_read(o->owner, &byte, (uintptr_t)o->page, 1), 0);
	assert_int_equal(byte, 0x5a);
	assert_int_equal(owner_probe(o->owner, (uintptr_t)o->page, PAGE, RF_READ), -EFAULT);
	assert_int_equal(owner_read(o->owner, &byte, (uintptr_t)o->page, 1), -EFAULT);
	assert_int_equal(owner_write(o->owner, (uintptr_t)o->page, "\x11", 1), -EFAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(memory_is_the_processes_own, setup, teardown),
		cmocka_unit_test_setup_teardown(only_pins_outlive_the_process, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
