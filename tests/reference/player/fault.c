/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGSEGV and SIGBUS as results: an access that raises one goes back to where
 * it was tried, with the signal's number.
 */
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "player.h"

__thread sigjmp_buf fault_jump;
__thread volatile int fault_armed;

static void on_fault(int sig)
{
	if (!fault_armed) {
		signal(sig, SIG_DFL);
		return;
	}
	fault_armed = 0;
	siglongjmp(fault_jump, sig);
}

void fault_catch(void)
{
	struct sigaction action = { .sa_handler = on_fault };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

const char *fault_name(int sig)
{
	const char *name = sigabbrev_np(sig);
	static __thread char text[32];

	strcpy(text, "SIG");
	strncat(text, name ? name : "?", sizeof(text) - 4);
	return text;
}
