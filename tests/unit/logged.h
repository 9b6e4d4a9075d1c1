/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is logged, as text for tests.
 */
#ifndef TEST_LOGGED_H
#define TEST_LOGGED_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static int log_pipe[2];

static inline void log_begins(void)
{
	assert_int_equal(pipe2(log_pipe, O_NONBLOCK | O_CLOEXEC), 0);
	log_set_fd(log_pipe[1]);
}

static inline void log_ends(void)
{
	log_set_fd(2);
	close(log_pipe[0]);
	close(log_pipe[1]);
}

/* What was logged since the last call. */
static inline const char *logged(void)
{
	static char text[8192];
	ssize_t n = read(log_pipe[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static inline void logged_has(const char *want)
{
	const char *text = logged();

	if (!strstr(text, want))
		fail_msg("\"%s\" is not in \"%s\"", want, text);
}

#endif
