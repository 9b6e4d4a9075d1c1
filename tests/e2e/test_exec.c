/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that a program of the session starts, by every way to do so, are of the
 * session as well.
 */
#include "paths.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether a child, however it was started, sees the session. */
static void child_saw_it(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static char *const empty[] = { NULL };
static char test_name[] = "test", flag[] = "-c", path_arg[] = CONTAINER;

static void every_exec_keeps_the_session(void **state)
{
	char *const argv[] = { test_name, flag, path_arg, NULL };
	int fd = open("/usr/bin/test", O_RDONLY | O_CLOEXEC);

#define CHILD(call)                  \
	do {                         \
		pid_t pid_ = fork(); \
		if (!pid_) {         \
			call;        \
			_exit(9);    \
		}                    \
		child_saw_it(pid_);  \
	} while (0)

	CHILD(execve("/usr/bin/test", argv, empty));
	CHILD(execvpe("test", argv, empty));
	CHILD(fexecve(fd, argv, empty));
	CHILD(execveat(AT_FDCWD, "/usr/bin/test", argv, empty, 0));
	CHILD(execle("/usr/bin/test", "test", "-c", CONTAINER, NULL, empty));
	CHILD({
		clearenv();
		execv("/usr/bin/test", argv);
	});
	CHILD({
		clearenv();
		execvp("test", argv);
	});
	CHILD({
		clearenv();
		execl("/usr/bin/test", "test", "-c", CONTAINER, NULL);
	});
	CHILD({
		clearenv();
		execlp("test", "test", "-c", CONTAINER, NULL);
	});
	CHILD({
		clearenv();
		_exit(system("test -c " CONTAINER));
	});
	CHILD({
		clearenv();
		_exit(pclose(popen("test -c " CONTAINER, "r")));
	});
	close(fd);
}

static void every_spawn_keeps_the_session(void **state)
{
	char *const argv[] = { test_name, flag, path_arg, NULL };
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, "/usr/bin/test", NULL, NULL, argv, empty), 0);
	child_saw_it(pid);
	assert_int_equal(posix_spawnp(&pid, "test", NULL, NULL, argv, empty), 0);
	child_saw_it(pid);
	pid = vfork();
	if (!pid) {
		execve("/usr/bin/test", argv, empty);
		_exit(9);
	}
	child_saw_it(pid);
}

static void a_spawned_child_opens_and_stands_in_the_session(void **state)
{
	static char shell[] = "sh", script[] = "read v && test $v = 0x1234 && test -e vendor";
	char *const argv[] = { shell, flag, script, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, VENDOR, O_RDONLY, 0);
	posix_spawn_file_actions_addchdir_np(&actions, LINK);
	assert_int_equal(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ), 0);
	child_saw_it(pid);
	posix_spawn_file_actions_destroy(&actions);
}

static void a_program_may_leave_the_session(void **state)
{
	static char leave[] = "RINGFENCE_NO_FOLLOW=1", shell[] = "sh",
		    script[] = "test -z \"$RINGFENCE_SESSION$LD_PRELOAD\"";
	char *const argv[] = { shell, flag, script, NULL };
	char *const env[] = { leave, NULL };
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, env), 0);
	child_saw_it(pid);
}

static void other_preloads_stay_in_front(void **state)
{
	static char others[] = "LD_PRELOAD=libm.so.6";
	char *const env[] = { others, NULL };
	static char shell[] = "sh",
		    script[] = "case $LD_PRELOAD in libm.so.6:*ringfence*) test -c " CONTAINER
			       ";; *) exit 3;; esac";
	char *const argv[] = { shell, flag, script, NULL };
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, env), 0);
	child_saw_it(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_exec_keeps_the_session),
		cmocka_unit_test(every_spawn_keeps_the_session),
		cmocka_unit_test(a_spawned_child_opens_and_stands_in_the_session),
		cmocka_unit_test(a_program_may_leave_the_session),
		cmocka_unit_test(other_preloads_stay_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
