/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log: one write a line, bounded, filtered by level.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static int ends[2];

static int make_pipe(void **state)
{
	int ret = pipe(ends);

	log_set_fd(ends[1]);
	return ret;
}

static int drop_pipe(void **state)
{
	log_set_fd(2);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void lines_have_a_prefix_and_an_end(void **state)
{
	char buf[128];
	ssize_t len;

	errno = EBADF;
	log_line(LOG_WARN, "%s at %#x", "fault", 0x1000);
	assert_int_equal(errno, EBADF);
	len = read(ends[0], buf, sizeof(buf));
	assert_int_equal(len, (ssize_t)strlen("ringfence: fault at 0x1000\n"));
	assert_memory_equal(buf, "ringfence: fault at 0x1000\n", (size_t)len);
}

static void lines_above_the_level_are_dropped(void **state)
{
	char buf[64];

	log_line(LOG_INFO, "not this");
	log_set_level(LOG_DEBUG);
	log_line(LOG_DEBUG, "this");
	log_set_level(LOG_WARN);
	assert_int_equal(read(ends[0], buf, sizeof(buf)), (ssize_t)strlen("ringfence: this\n"));
}

static void long_lines_are_cut(void **state)
{
	char text[3000];
	char buf[4096];
	ssize_t len;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_line(LOG_ERROR, "%s", text);
	len = read(ends[0], buf, sizeof(buf));
	assert_in_range(len, 100, 1024);
	assert_int_equal(buf[len - 1], '\n');
	assert_int_equal(buf[len - 2], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_have_a_prefix_and_an_end),
		cmocka_unit_test(lines_above_the_level_are_dropped),
		cmocka_unit_test(long_lines_are_cut),
	};

	return cmocka_run_group_tests_name("log", tests, make_pipe, drop_pipe);
}
