/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmocka takes SIGSEGV and SIGBUS for itself around every test and fixture,
 * after fault_install() may have run. A test in which a fault-safe copy is to
 * fail calls take_faults() first, in its own body.
 */
#ifndef RF_TESTS_FAULTS_H
#define RF_TESTS_FAULTS_H

#include <signal.h>

#include "memory/fault.h"

/* gcc and clang tell of a sanitizer in different ways. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif
/* It runs handlers with all signals blocked, whatever they asked for. */
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif

static inline void take_faults_handler(int sig, siginfo_t *info, void *ctx)
{
	if (!fault_fixup(ctx))
		signal(sig, SIG_DFL);
}

static inline void take_faults(void)
{
	struct sigaction action = {
		.sa_sigaction = take_faults_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK,
	};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

#endif
