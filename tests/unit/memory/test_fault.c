/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault-safe copies: the count of bytes not copied is exact wherever the fault
 * strikes, on either side; what is not ours goes to whoever was there before.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "../faults.h"
#include "memory/fault.h"

#define PAGE 4096

/* Two pages, the second inaccessible; returns the boundary between them. */
static char *cliff(void)
{
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
	return p + PAGE;
}

static void cliff_free(char *edge)
{
	munmap(edge - PAGE, 2 * PAGE);
}

static void fill(char *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (char)(seed + i * 7 + (i >> 8));
}

static void copies_every_length_and_alignment(void **state)
{
	static char src[4096 + 64], dst[4096 + 128];

	fill(src, sizeof(src), 3);
	for (size_t len = 0; len <= 4096; len += len < 300 ? 1 : 251) {
		for (size_t off = 0; off < 16; off += 5) {
			memset(dst, 0x55, sizeof(dst));
			assert_int_equal(fault_copy(dst + 16 + off, src + 15 - off, len), 0);
			assert_memory_equal(dst + 16 + off, src + 15 - off, len);
			assert_int_equal(dst[15 + off], 0x55);
			assert_int_equal(dst[16 + off + len], 0x55);
		}
	}
}

static void counts_exactly_what_a_bad_source_left(void **state)
{
	char *edge = cliff();
	static char dst[PAGE];

	take_faults();
	fill(edge - PAGE, PAGE, 1);
	for (size_t len = 1; len <= 2100; len += len < 200 ? 1 : 190) {
		for (size_t good = 0; good <= len; good += len < 80 ? 1 : 13) {
			memset(dst, 0x55, sizeof(dst));
			assert_int_equal(fault_copy(dst, edge - good, len), len - good);
			assert_memory_equal(dst, edge - good, good);
			assert_int_equal(dst[good], 0x55);
		}
	}
	cliff_free(edge);
}

static void counts_exactly_what_a_bad_destination_left(void **state)
{
	char *edge = cliff();
	static char src[PAGE];

	take_faults();
	fill(src, sizeof(src), 9);
	for (size_t len = 1; len <= 2100; len += len < 200 ? 1 : 190) {
		for (size_t good = 0; good <= len; good += len < 80 ? 1 : 13) {
			memset(edge - len, 0x55, len);
			assert_int_equal(fault_copy(edge - good, src, len), len - good);
			assert_memory_equal(edge - good, src, good);
			if (good < len)
				assert_int_equal(edge[-(ptrdiff_t)good - 1], 0x55);
		}
	}
	cliff_free(edge);
}

static void reports_addresses_that_no_mapping_could_have(void **state)
{
	char buf[64];

	take_faults();
	assert_int_equal(fault_copy(buf, (void *)0xdead000000000000ul, 8), 8);
	assert_int_equal(fault_copy((void *)0xffff800000000000ul, buf, 64), 64);
	assert_int_equal(fault_copy(buf, NULL, 3), 3);
	assert_int_equal(fault_copy(NULL, (void *)8, 0), 0);
}

static void counts_what_lies_past_the_end_of_a_file(void **state)
{
	int fd = memfd_create("short", 0);
	char buf[256];
	char *p;

	take_faults();
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(fault_copy(buf, p + PAGE - 100, 200), 100);
	assert_int_equal(fault_copy(p + PAGE - 60, buf, 200), 140);
	assert_false(fault_can_read(p + PAGE));
	assert_false(fault_can_write(p + PAGE));
	munmap(p, 2 * PAGE);
	close(fd);
}

static void tells_read_from_write_permission(void **state)
{
	char *edge = cliff();

	take_faults();
	edge[-1] = 0x5a;
	assert_true(fault_can_read(edge - 1));
	assert_true(fault_can_write(edge - 1));
	assert_int_equal(edge[-1], 0x5a);
	assert_false(fault_can_read(edge));
	assert_false(fault_can_write(edge));
	assert_int_equal(mprotect(edge, PAGE, PROT_READ), 0);
	assert_true(fault_can_read(edge));
	assert_false(fault_can_write(edge));
	cliff_free(edge);
}

struct prober {
	atomic_uint word;
	atomic_bool stop;
};

static void *probe_forever(void *arg)
{
	struct prober *prober = arg;

	while (!atomic_load(&prober->stop))
		for (int i = 0; i < 4; i++)
			fault_can_write((char *)&prober->word + i);
	return NULL;
}

static void probing_loses_no_write_of_others(void **state)
{
	struct prober prober = { 0 };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, probe_forever, &prober), 0);
	for (unsigned i = 0; i < 500000; i++)
		atomic_fetch_add(&prober.word, 1);
	atomic_store(&prober.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&prober.word), 500000);
}

/* Runs @body in a child; returns its wait status. */
static int in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		close(2);
		body();
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void set_handler(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = fn, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(sig, &action, NULL);
}

static char *bad_address;

/* An ordinary store at a bad address, hidden from the compiler and from sanitizers. */
static void crash(void)
{
	__asm__ volatile("movb $1, (%0)" : : "r"(bad_address) : "memory");
}

static void with_default(void)
{
	signal(SIGSEGV, SIG_DFL);
	if (fault_install() || fault_copy(NULL, "x", 1) != 1)
		_exit(1);
	crash();
}

static void with_ignore(void)
{
	signal(SIGSEGV, SIG_IGN);
	if (fault_install())
		_exit(1);
	raise(SIGSEGV); /* ignored: it was sent, not caused */
	crash();
}

static void with_sent(void)
{
	signal(SIGBUS, SIG_DFL);
	if (fault_install())
		_exit(1);
	raise(SIGBUS);
}

static void unhandled_faults_die_of_their_signal(void **state)
{
	int status = in_child(with_default);

	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(with_ignore);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(with_sent);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void exits_if_called_right(int sig, siginfo_t *info, void *ctx)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	if (sig == SIGSEGV && info->si_addr == bad_address && sigismember(&now, SIGSEGV) == 1 &&
	    sigismember(&now, SIGUSR1) == 1 && sigismember(&now, SIGUSR2) == 0)
		_exit(7);
	_exit(8);
}

static void with_info_handler(void)
{
	set_handler(SIGSEGV, exits_if_called_right, SA_SIGINFO);
	if (fault_install() || fault_install())
		_exit(1);
	crash();
}

static sigjmp_buf escape;
static volatile int calls;

static void jumps(int sig, siginfo_t *info, void *ctx)
{
	calls++;
	siglongjmp(escape, 1);
}

static void with_reset_handler(void)
{
	set_handler(SIGSEGV, jumps, SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER);
	if (fault_install())
		_exit(1);
	if (!sigsetjmp(escape, 1))
		crash();
	if (calls != 1)
		_exit(2);
	crash();
}

static void grants(int sig)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	calls += sigismember(&now, sig) == 0;
	mprotect(bad_address, PAGE, PROT_READ | PROT_WRITE);
}

static void with_plain_handler(void)
{
	struct sigaction action = { .sa_handler = grants, .sa_flags = SA_NODEFER };
	sigset_t now;

	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &action, NULL);
	if (fault_install())
		_exit(1);
	crash();
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	_exit(calls == 1 && *bad_address == 1 && !sigismember(&now, SIGUSR1) ? 7 : 8);
}

static void earlier_handlers_keep_their_semantics(void **state)
{
	int status;

	if (UNDER_TSAN)
		skip();
	status = in_child(with_info_handler);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	status = in_child(with_plain_handler);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	status = in_child(with_reset_handler);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unhandled_faults_die_of_their_signal),
		cmocka_unit_test(earlier_handlers_keep_their_semantics),
		cmocka_unit_test(copies_every_length_and_alignment),
		cmocka_unit_test(counts_exactly_what_a_bad_source_left),
		cmocka_unit_test(counts_exactly_what_a_bad_destination_left),
		cmocka_unit_test(reports_addresses_that_no_mapping_could_have),
		cmocka_unit_test(counts_what_lies_past_the_end_of_a_file),
		cmocka_unit_test(tells_read_from_write_permission),
		cmocka_unit_test(probing_loses_no_write_of_others),
	};

	bad_address = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
