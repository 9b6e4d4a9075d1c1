/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests that are programs of a session, reported as TAP. A test is a function that
 * returns true; CHECK() leaves it at the first thing that does not hold. They run in
 * order. Everything is flushed at once, as children of the program inherit what is not.
 */
#ifndef TEST_E2E_TAP_H
#define TEST_E2E_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define CHECK(cond)                                                                   \
	do {                                                                          \
		if (!(cond)) {                                                        \
			printf("# line %d: %s (errno %d)\n", __LINE__, #cond, errno); \
			fflush(stdout);                                               \
			return false;                                                 \
		}                                                                     \
	} while (0)

#define FAILS(call, err) CHECK((call) < 0 && errno == (err))

struct test {
	const char *name;
	bool (*run)(void);
};

#define TEST(fn)        \
	{               \
#fn, fn \
	}

#define NR_TESTS(tests) (sizeof(tests) / sizeof((tests)[0]))

static inline void plan(unsigned nr)
{
	printf("1..%u\n", nr);
	fflush(stdout);
}

static inline bool report(bool ok, unsigned nr, const char *name)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", nr, name);
	fflush(stdout);
	return ok;
}

/* All of them, or @only the one of this name. What main() returns. */
static inline int run_tests(const struct test *tests, unsigned nr, const char *only)
{
	bool all = true;

	plan(nr);
	for (unsigned i = 0; i < nr; i++)
		if (!only || !strcmp(only, tests[i].name))
			all &= report(tests[i].run(), i + 1, tests[i].name);
	return all ? 0 : 1;
}

/* Those that share what they have made: after one that failed nothing can be said of the rest. */
static inline int run_steps(const struct test *tests, unsigned nr)
{
	bool all = true;

	plan(nr);
	for (unsigned i = 0; i < nr; i++)
		all = report(all && tests[i].run(), i + 1, tests[i].name);
	return all ? 0 : 1;
}

/* What a child ends with: its exit status, or 256 and more for a signal. */
static inline int wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#endif
