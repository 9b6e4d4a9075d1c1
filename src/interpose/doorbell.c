/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbells: a store to one traps and the model runs in the driver's thread; or,
 * where that pays (doorbell_policy.c), the page is plain memory for a while and
 * a thread of ours lets the model look at it.
 *
 * One poller a device, made with its first mapping; its thread when first wanted
 * (a trap is where the program stores, never inside malloc() or pthread_create(),
 * so these may be called there), asleep on a futex when there is
 * nothing to poll. The thread in the signal handler only asks for polling; the
 * poller itself opens and closes the pages, so no handler waits for a lock of
 * the mappings. No doorbell is lost: a store made before the page was closed is
 * in the page, which is looked at once more afterwards; one made later traps.
 *
 * The poller keeps off the processor that rang: a scheduler that puts both on one
 * lets each spin out its time slice while the other waits (16 k requests a second
 * instead of 2 M were seen).
 *
 * RINGFENCE_POLL=always|never|auto overrides the choice; with a single processor
 * nothing is ever polled.
 *
 * Locks: poller->busy, a spin lock for a few instructions around the policy;
 * a handler that finds it taken goes without. The device's own lock is only
 * taken by device_poll(), look by look.
 */
#include "interpose/doorbell.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/stats.h"
#include "bus/device.h"
#include "interpose/bar.h"
#include "interpose/doorbell_policy.h"
#include "interpose/fork.h"
#include "interpose/internal.h"
#include "interpose/lock.h"

#define POLLER_STACK	(256u << 10)
#define LOOKS_PER_YIELD 256u

enum poller_state { ASLEEP, WANTED };

struct poller {
	struct rf_device *dev;
	atomic_uint state; /* enum poller_state; a futex */
	atomic_bool open;
	atomic_bool stop;
	bool started; /* the thread exists; written by who makes the state WANTED */
	atomic_flag busy;
	atomic_int rung_on; /* the processor of the thread that asked for polling */
	int kept_off; /* the one the poller is kept off; its thread's own */
	struct doorbell_policy policy;
	struct poller *next;
};

static _Atomic(struct poller *) pollers;
static cpu_set_t processors; /* of the process at its start, before it pins its threads */
static atomic_bool ending;

__attribute__((constructor)) static void doorbell_init(void)
{
	if (sched_getaffinity(0, sizeof(processors), &processors))
		CPU_ZERO(&processors);
}

static enum doorbell_choice choice(void)
{
	const char *env = getenv("RINGFENCE_POLL");

	if (CPU_COUNT(&processors) < 2 || (env && !strcmp(env, "never")))
		return DOORBELL_NEVER;
	return env && !strcmp(env, "always") ? DOORBELL_ALWAYS : DOORBELL_AUTO;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Bytes that devices have moved. All of them: when two are busy they share the judgement. */
static uint64_t work_done(void)
{
	struct stats *s = stats();

	return atomic_load_explicit(&s->dma_read, memory_order_relaxed) +
	       atomic_load_explicit(&s->dma_written, memory_order_relaxed);
}

static struct poller *poller_find(const struct rf_device *dev)
{
	struct poller *p = atomic_load_explicit(&pollers, memory_order_acquire);

	while (p && p->dev != dev)
		p = p->next;
	return p;
}

/* Of two threads that make one for the same device, the one that loses uses the other's. */
static struct poller *poller_get(struct rf_device *dev)
{
	struct poller *p = poller_find(dev), *made, *head;

	if (p)
		return p;
	made = calloc(1, sizeof(*made));
	if (!made)
		return NULL;
	made->dev = dev;
	made->kept_off = -1;
	made->policy.choice = choice();
	head = atomic_load(&pollers);
	do {
		p = poller_find(dev);
		if (p) {
			free(made);
			return p;
		}
		made->next = head;
	} while (!atomic_compare_exchange_weak(&pollers, &head, made));
	return made;
}

bool doorbell_is_open(const struct rf_device *dev)
{
	struct poller *p = poller_find(dev);

	return p && atomic_load(&p->open);
}

/* The poller's thread. */

static void poller_sleep(struct poller *p)
{
	while (atomic_load_explicit(&p->state, memory_order_acquire) == ASLEEP)
		syscall(SYS_futex, &p->state, FUTEX_WAIT_PRIVATE, ASLEEP, NULL, NULL, 0);
}

static bool poller_look(struct poller *p)
{
	unsigned found = device_poll(p->dev);
	bool close;

	if (found)
		stats_add(&stats()->polls, found);
	while (atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire))
		__builtin_ia32_pause();
	close = doorbell_policy_looked(&p->policy, now_ns(), work_done(), found);
	atomic_flag_clear_explicit(&p->busy, memory_order_release);
	return close;
}

static void poller_show(struct poller *p, bool open)
{
	atomic_store(&p->open, open);
	bar_show_doorbells(p->dev);
}

static void poller_keep_off(struct poller *p)
{
	int cpu = atomic_load_explicit(&p->rung_on, memory_order_relaxed);
	cpu_set_t others = processors;

	if (cpu == p->kept_off || cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	p->kept_off = cpu;
	CPU_CLR(cpu, &others);
	if (CPU_COUNT(&others))
		sched_setaffinity(0, sizeof(others), &others);
}

static void poller_run(struct poller *p)
{
	unsigned looks = 0;

	poller_keep_off(p);
	poller_show(p, true);
	while (!atomic_load_explicit(&p->stop, memory_order_relaxed) && !poller_look(p)) {
		if (++looks % LOOKS_PER_YIELD)
			__builtin_ia32_pause();
		else
			sched_yield();
	}
	poller_show(p, false);
	device_poll(p->dev);
}

static void *poller_thread(void *arg)
{
	struct poller *p = arg;
	uint64_t mask = signals_thread();

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	pthread_setname_np(pthread_self(), "rf-poll");
	for (;;) {
		poller_sleep(p);
		poller_run(p);
		atomic_store_explicit(&p->state, ASLEEP, memory_order_release);
	}
	return NULL;
}

static bool poller_start(struct poller *p)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (p->started)
		return true;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, POLLER_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setaffinity_np(&attr, sizeof(processors), &processors);
	p->started = !pthread_create(&thread, &attr, poller_thread, p);
	pthread_attr_destroy(&attr);
	return p->started;
}

/* Others. */

/* The policy said so, hence once at a time. */
static void poller_want(struct poller *p)
{
	if (atomic_load(&ending) || atomic_load(&p->state) != ASLEEP || !poller_start(p)) {
		while (atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire))
			__builtin_ia32_pause();
		doorbell_policy_stopped(&p->policy);
		atomic_flag_clear_explicit(&p->busy, memory_order_release);
		return;
	}
	atomic_store_explicit(&p->rung_on, sched_getcpu(), memory_order_relaxed);
	atomic_store_explicit(&p->state, WANTED, memory_order_release);
	syscall(SYS_futex, &p->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void doorbell_prepare(struct rf_device *dev)
{
	if (dev->model->poll)
		poller_get(dev);
}

void doorbell_rung(struct rf_device *dev)
{
	struct poller *p = poller_find(dev);
	bool poll;

	if (!p || p->policy.choice == DOORBELL_NEVER || !dev->model->poll ||
	    atomic_flag_test_and_set_explicit(&p->busy, memory_order_acquire))
		return;
	poll = doorbell_policy_rung(&p->policy, now_ns(), work_done());
	atomic_flag_clear_explicit(&p->busy, memory_order_release);
	if (poll)
		poller_want(p);
}

void doorbell_quiesce(struct rf_device *dev)
{
	struct poller *p = poller_find(dev);

	if (!p)
		return;
	atomic_store(&p->stop, true);
	while (atomic_load_explicit(&p->state, memory_order_acquire) == WANTED)
		sched_yield();
	doorbell_policy_stopped(&p->policy);
	atomic_store(&p->stop, false);
}

/* Models of shared objects have destructors too: nobody runs in them by then. */
__attribute__((destructor)) static void doorbell_exit(void)
{
	struct poller *p;

	fork_settle();
	atomic_store(&ending, true);
	for (p = atomic_load(&pollers); p; p = p->next)
		doorbell_quiesce(p->dev);
}

void doorbell_abandon(void)
{
	atomic_store(&pollers, NULL);
}
