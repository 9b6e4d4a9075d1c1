/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's memory is switched off while several processes have its BAR mapped: run
 * below `ringfence run --device nvme`, prints TAP. Linux takes the BAR out of every
 * mapping there is, so each access anywhere is a bus error until it is on again.
 * Nothing here knows of Ringfence.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "../container.h"
#include "tap.h"

#define ADDRESS	 "0000:01:00.0"
#define BAR	 8192ul
#define CAP	 0x00 /* its page is mapped: loads do not trap */
#define AQA	 0x24
#define DOORBELL 0x1000

static struct vfio vfio;
static volatile uint8_t *bar;
static uint32_t cap;

static sigjmp_buf jump;
static volatile int fault_code;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	fault_code = info->si_code;
	siglongjmp(jump, sig);
}

/* The signal that an access is answered with; 0: none. */
static int access_faults(unsigned off, bool store)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, segv, bus;
	volatile uint32_t *reg = (volatile uint32_t *)(bar + off);
	int sig;

	sigaction(SIGSEGV, &act, &segv);
	sigaction(SIGBUS, &act, &bus);
	sig = sigsetjmp(jump, 1);
	if (!sig) {
		if (store)
			*reg = 0;
		else
			(void)*reg;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

static bool bar_map(void)
{
	bar = mmap(NULL, BAR, PROT_READ | PROT_WRITE, MAP_SHARED, vfio.device, 0);
	return bar != MAP_FAILED;
}

static bool all_is_off(void)
{
	CHECK(access_faults(CAP, false) == SIGBUS && fault_code == BUS_ADRERR);
	CHECK(access_faults(AQA, true) == SIGBUS && fault_code == BUS_ADRERR);
	CHECK(access_faults(DOORBELL, false) == SIGBUS && fault_code == BUS_ADRERR);
	CHECK(access_faults(DOORBELL, true) == SIGBUS && fault_code == BUS_ADRERR);
	return true;
}

static bool all_is_on(void)
{
	CHECK(!access_faults(CAP, false) && *(volatile uint32_t *)(bar + CAP) == cap);
	CHECK(!access_faults(AQA, true) && !access_faults(DOORBELL, true));
	return true;
}

/* A child that looks whenever it is told what to find. */
struct looker {
	pid_t pid;
	int to, from;
};

static void look(int in, int out)
{
	char what;

	while (read(in, &what, 1) == 1 && what != 'q') {
		bool ok = what == '+' ? all_is_on() :
			  what == '-' ? all_is_off() :
			  what == 'm' ? bar_map() :
					vfio_command(vfio.device, what == 'd' ? 4 : 6);

		if (write(out, ok ? "y" : "n", 1) != 1)
			break;
	}
	_exit(0);
}

static bool looker_start(struct looker *l)
{
	int to[2], from[2];

	CHECK(!pipe(to) && !pipe(from));
	fflush(stdout);
	l->pid = fork();
	if (!l->pid) {
		close(to[1]);
		close(from[0]);
		look(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	l->to = to[1];
	l->from = from[0];
	return l->pid > 0;
}

/* '+': all is on; '-': off; 'm': map anew; 'd', 'e': disable, enable. */
static bool child(const struct looker *l, char what)
{
	char answer = 0;

	return write(l->to, &what, 1) == 1 && read(l->from, &answer, 1) == 1 && answer == 'y';
}

static bool looker_end(struct looker *l)
{
	int status;

	if (write(l->to, "q", 1) != 1)
		return false;
	close(l->to);
	close(l->from);
	return waitpid(l->pid, &status, 0) == l->pid && !status;
}

static bool an_inherited_mapping_is_off_too(void)
{
	struct looker l;

	CHECK(looker_start(&l));
	CHECK(child(&l, '+') && all_is_on());
	for (unsigned i = 0; i < 3; i++) {
		CHECK(vfio_command(vfio.device, 4));
		CHECK(child(&l, '-') && all_is_off());
		CHECK(vfio_command(vfio.device, 6));
		CHECK(child(&l, '+') && all_is_on());
	}
	return looker_end(&l);
}

static bool a_mapping_of_a_childs_own_is_off_too(void)
{
	struct looker l;

	CHECK(looker_start(&l) && child(&l, 'm') && child(&l, '+'));
	CHECK(vfio_command(vfio.device, 4));
	CHECK(child(&l, '-') && child(&l, 'm') && child(&l, '-') && all_is_off());
	CHECK(vfio_command(vfio.device, 6));
	CHECK(child(&l, '+') && all_is_on());
	return looker_end(&l);
}

static bool a_child_switches_it_off_for_its_parent(void)
{
	struct looker a, b;

	CHECK(looker_start(&a) && looker_start(&b));
	CHECK(child(&a, '+') && child(&b, '+') && all_is_on());
	CHECK(child(&a, 'd'));
	CHECK(all_is_off() && child(&a, '-') && child(&b, '-'));
	CHECK(child(&b, 'e'));
	CHECK(all_is_on() && child(&a, '+') && child(&b, '+'));
	return looker_end(&a) && looker_end(&b);
}

static bool a_child_of_a_device_that_is_off_sees_it_off(void)
{
	struct looker l;

	CHECK(vfio_command(vfio.device, 4));
	CHECK(looker_start(&l) && child(&l, '-'));
	CHECK(child(&l, 'e') && child(&l, '+') && all_is_on());
	return looker_end(&l);
}

/* Memory is off for a moment only, and whoever comes then waits. */
static bool a_reset_is_no_reason_to_fault(void)
{
	struct looker l;

	CHECK(looker_start(&l));
	for (unsigned i = 0; i < 20; i++) {
		CHECK(!ioctl(vfio.device, VFIO_DEVICE_RESET));
		CHECK(child(&l, '+') && all_is_on());
	}
	return looker_end(&l);
}

static const struct test tests[] = {
	TEST(an_inherited_mapping_is_off_too),
	TEST(a_mapping_of_a_childs_own_is_off_too),
	TEST(a_child_switches_it_off_for_its_parent),
	TEST(a_child_of_a_device_that_is_off_sees_it_off),
	TEST(a_reset_is_no_reason_to_fault),
};

int main(void)
{
	bool all = true;

	if (!vfio_open(&vfio, ADDRESS) || !bar_map()) {
		printf("Bail out! no device %s\n", ADDRESS);
		return 1;
	}
	cap = *(volatile uint32_t *)(bar + CAP);
	plan(NR_TESTS(tests));
	for (unsigned i = 0; i < NR_TESTS(tests); i++) {
		if (!report(tests[i].run(), i + 1, tests[i].name))
			all = false;
		vfio_command(vfio.device, 6);
	}
	return all ? 0 : 1;
}
