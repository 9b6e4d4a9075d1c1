/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device registers in programs that have plans of their own for SIGSEGV: a
 * load from edu's identification register works whatever the program did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define BDF	 "0000:01:00.0"
#define EDU_ID	 0x010000ed
#define REG_ID	 0 /* index of a 32-bit register */
#define REG_LIVE 1 /* reads as the inverse of what was written */

static volatile uint32_t *bar;
static uint8_t *bad;
static sigjmp_buf escape;
static volatile sig_atomic_t calls;
static volatile uint32_t seen;

static void open_device(void)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = 0 };
	int container = open("/dev/vfio/vfio", O_RDWR), group, device;
	char link[PATH_MAX], path[PATH_MAX];
	ssize_t len = readlink("/sys/bus/pci/devices/" BDF "/iommu_group", link, sizeof(link) - 1);

	assert_true(len > 0);
	link[len] = 0;
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));
	group = open(path, O_RDWR);
	assert_true(container >= 0 && group >= 0);
	assert_int_equal(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	assert_int_equal(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BDF);
	assert_true(device >= 0);
	assert_int_equal(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), 0);
	bar = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		   (off_t)region.offset);
	assert_ptr_not_equal(bar, MAP_FAILED);
}

/* A load and a store, both of which trap or have side effects. */
static uint32_t live(uint32_t value)
{
	bar[REG_LIVE] = value;
	return ~bar[REG_LIVE];
}

#define assert_device_works()                                   \
	do {                                                    \
		assert_int_equal(bar[REG_ID], EDU_ID);          \
		assert_int_equal(live(0x12345678), 0x12345678); \
		assert_int_equal(live(0), 0);                   \
	} while (0)

static int setup(void **state)
{
	sigset_t none;

	calls = 0;
	seen = 0;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

static void count(int sig)
{
	calls++;
}

static void registers_work_under_any_disposition(void **state)
{
	assert_device_works();
	signal(SIGSEGV, SIG_IGN);
	assert_device_works();
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_IGN);
	assert_device_works();
	signal(SIGSEGV, count);
	assert_device_works();
	assert_int_equal(calls, 0);
}

static void registers_work_with_every_signal_blocked(void **state)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	assert_device_works();
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	assert_device_works();
}

static void touch_device(int sig)
{
	calls++;
	seen = live((uint32_t)sig);
}

static void registers_work_in_signal_handlers(void **state)
{
	struct sigaction act = { .sa_handler = touch_device };
	struct itimerval soon = { .it_value = { 0, 2000 } };
	sigset_t all;

	sigfillset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	raise(SIGUSR1);
	assert_int_equal(seen, SIGUSR1);
	/* Inside a call that waits with all but one blocked. */
	sigaction(SIGALRM, &act, NULL);
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	setitimer(ITIMER_REAL, &soon, NULL);
	while (calls < 2)
		sigsuspend(&all);
	assert_int_equal(seen, SIGALRM);
}

static void escape_after_touching(int sig, siginfo_t *info, void *context)
{
	touch_device(sig);
	siglongjmp(escape, 1);
}

static void registers_work_in_the_programs_own_fault_handler(void **state)
{
	struct sigaction act = { .sa_sigaction = escape_after_touching, .sa_flags = SA_SIGINFO };

	sigfillset(&act.sa_mask);
	sigaction(SIGSEGV, &act, NULL);
	for (volatile int i = 0; i < 50; i++) {
		if (!sigsetjmp(escape, 1))
			*(volatile uint8_t *)bad;
		assert_int_equal(seen, SIGSEGV);
		assert_device_works();
	}
	assert_int_equal(calls, 50);
}

static void registers_work_on_a_small_alternate_stack(void **state)
{
	static _Alignas(64) uint8_t memory[16384];
	stack_t alt = { .ss_sp = memory + 8192, .ss_size = 8192 };
	struct sigaction act = { .sa_sigaction = escape_after_touching,
				 .sa_flags = SA_SIGINFO | SA_ONSTACK };

	memset(memory, 0x5a, sizeof(memory));
	assert_int_equal(sigaltstack(&alt, NULL), 0);
	assert_device_works();
	sigaction(SIGSEGV, &act, NULL);
	if (!sigsetjmp(escape, 1))
		*(volatile uint8_t *)bad;
	assert_int_equal(seen, SIGSEGV);
	assert_device_works();
	for (size_t i = 0; i < 8192; i++)
		assert_int_equal(memory[i], 0x5a);
	alt.ss_flags = SS_DISABLE;
	sigaltstack(&alt, NULL);
}

static void *thread(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < 200; i++)
		if (bar[REG_ID] != EDU_ID)
			return arg;
	return NULL;
}

static void registers_work_in_threads_while_handlers_change(void **state)
{
	pthread_t threads[4];
	void *wrong;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, thread, &threads);
	for (int i = 0; i < 500; i++)
		signal(SIGSEGV, i & 1 ? count : SIG_IGN);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(calls, 0);
}

static void a_real_fault_still_kills(void **state)
{
	struct rlimit none = { 0, 0 };
	int status;
	pid_t pid = fork();

	if (!pid) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		*(volatile uint8_t *)bad = 1;
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_device_works();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(registers_work_under_any_disposition, setup),
		cmocka_unit_test_setup(registers_work_with_every_signal_blocked, setup),
		cmocka_unit_test_setup(registers_work_in_signal_handlers, setup),
		cmocka_unit_test_setup(registers_work_in_the_programs_own_fault_handler, setup),
		cmocka_unit_test_setup(registers_work_on_a_small_alternate_stack, setup),
		cmocka_unit_test_setup(registers_work_in_threads_while_handlers_change, setup),
		cmocka_unit_test_setup(a_real_fault_still_kills, setup),
	};

	bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	open_device();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
