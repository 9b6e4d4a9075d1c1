/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happens when a fault-safe copy (fault_copy.S) faults: its instructions
 * stand in a table with the place to resume at, and the signal handler looks
 * there first. What is not ours goes on to the handler that was installed
 * before.
 *
 * No locks; installing is guarded by install_lock, never taken in a handler.
 */
#include "memory/fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

/* As fault_copy.S writes it. */
struct fault_entry {
	int32_t insn; /* the instruction, relative to this field */
	int32_t fixup; /* where to resume, relative to this field */
};

extern const struct fault_entry __start_rf_fault_table[] __attribute__((visibility("hidden")));
extern const struct fault_entry __stop_rf_fault_table[] __attribute__((visibility("hidden")));
extern const char fault_text_first[] __attribute__((visibility("hidden")));
extern const char fault_text_end[] __attribute__((visibility("hidden")));

static uintptr_t fault_target(const int32_t *field)
{
	return (uintptr_t)field + (uintptr_t)(intptr_t)*field;
}

bool fault_fixup(ucontext_t *uc)
{
	uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	const struct fault_entry *entry;

	if (rip < (uintptr_t)fault_text_first || rip >= (uintptr_t)fault_text_end)
		return false;
	for (entry = __start_rf_fault_table; entry < __stop_rf_fault_table; entry++) {
		if (fault_target(&entry->insn) == rip) {
			uc->uc_mcontext.gregs[REG_RIP] = (greg_t)fault_target(&entry->fixup);
			return true;
		}
	}
	return false;
}

/*
 * What was installed before us, and stays in charge of every fault that is
 * not ours. Written once, before our handler can run.
 */
struct fault_previous {
	struct sigaction action;
	atomic_bool spent; /* SA_RESETHAND: its one shot is gone */
};

static struct fault_previous previous_segv, previous_bus;
static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static bool installed;

/* Die of the signal, as the default action would have it. */
static void fault_default(int sig, const siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int saved = errno;

	sigaction(sig, &dfl, NULL);
	/* A real fault strikes again on return, for a core file at the right place. */
	if (info->si_code <= 0)
		raise(sig);
	errno = saved;
}

/* Call the previous handler as the kernel would have done. */
static void fault_chain(struct fault_previous *prev, int sig, siginfo_t *info, void *ctx)
{
	const struct sigaction *action = &prev->action;
	bool mode_info = action->sa_flags & SA_SIGINFO;
	sigset_t mask;

	if (!mode_info && action->sa_handler == SIG_IGN && info->si_code <= 0)
		return; /* sent by kill(); a fault cannot be ignored */
	if (!mode_info && (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN)) {
		fault_default(sig, info);
		return;
	}
	if ((action->sa_flags & (int)SA_RESETHAND) && atomic_exchange(&prev->spent, true)) {
		fault_default(sig, info);
		return;
	}

	mask = action->sa_mask;
	if (!(action->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	/* Ours blocks nothing, so the return from the signal undoes this. */
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	if (mode_info)
		action->sa_sigaction(sig, info, ctx);
	else
		action->sa_handler(sig);
}

static void fault_handler(int sig, siginfo_t *info, void *ctx)
{
	if (info->si_code > 0 && fault_fixup(ctx))
		return;
	fault_chain(sig == SIGBUS ? &previous_bus : &previous_segv, sig, info, ctx);
}

static int fault_install_one(int sig, struct fault_previous *prev)
{
	struct sigaction ours = {
		.sa_sigaction = fault_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK,
	};

	sigemptyset(&ours.sa_mask);
	/* Read it first: our handler must find it the moment it is in place. */
	if (sigaction(sig, NULL, &prev->action) || sigaction(sig, &ours, NULL))
		return -errno;
	return 0;
}

int fault_install(void)
{
	int ret = 0;

	pthread_mutex_lock(&install_lock);
	if (installed)
		goto out;
	ret = fault_install_one(SIGSEGV, &previous_segv);
	if (ret)
		goto out;
	ret = fault_install_one(SIGBUS, &previous_bus);
	if (ret) {
		sigaction(SIGSEGV, &previous_segv.action, NULL);
		goto out;
	}
	installed = true;
out:
	pthread_mutex_unlock(&install_lock);
	return ret;
}

void fault_installed_elsewhere(void)
{
	pthread_mutex_lock(&install_lock);
	installed = true;
	pthread_mutex_unlock(&install_lock);
}
