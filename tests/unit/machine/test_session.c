/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/session.h"

static const char json[] = "{ \"devices\": [ { \"model\": \"edu\" } ] }";
static char place[] = "/tmp/rf-session-XXXXXX";

static int set_up(void **state)
{
	memcpy(place + strlen(place) - 6, "XXXXXX", 6);
	if (!mkdtemp(place))
		return -1;
	unsetenv("XDG_RUNTIME_DIR");
	return setenv("TMPDIR", place, 1);
}

/* Every test leaves its place empty. */
static int take_down(void **state)
{
	return rmdir(place);
}

static char *create(void)
{
	char *dir = NULL, *error = NULL;
	struct rf_machine *machine;

	if (rf_machine_new(json, "machine", &machine, &error) ||
	    session_create(machine, &dir, &error))
		fail_msg("%s", error);
	rf_machine_free(machine);
	return dir;
}

static const char *below(const char *dir, const char *name)
{
	static char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void only_its_user_may_enter(void **state)
{
	char *dir = create();
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_memory_equal(dir, place, strlen(place));
	assert_int_equal(access(below(dir, "lock/group-1"), F_OK), 0);
	assert_int_equal(access(below(dir, "sys/bus/pci/devices/0000:01:00.0/vendor"), F_OK), 0);
	session_remove(dir);
	assert_int_equal(access(dir, F_OK), -1);
	free(dir);
}

static void its_machine_is_the_one_described(void **state)
{
	char *dir = create(), *error = NULL;
	struct rf_machine *machine;

	assert_int_equal(session_machine(dir, &machine, &error), 0);
	assert_non_null(rf_machine_find(machine, "0000:01:00.0"));
	assert_string_equal(machine->devices->host_driver, "vfio-pci");
	assert_int_equal(rf_group_id(machine->groups), 1);
	rf_machine_free(machine);
	session_remove(dir);
	free(dir);
}

static void the_runtime_directory_comes_first(void **state)
{
	char other[] = "/tmp/rf-runtime-XXXXXX", *dir;

	assert_non_null(mkdtemp(other));
	setenv("XDG_RUNTIME_DIR", other, 1);
	dir = create();
	assert_memory_equal(dir, other, strlen(other));
	session_remove(dir);
	free(dir);
	assert_int_equal(rmdir(other), 0);

	dir = create(); /* gone: the next place */
	assert_memory_equal(dir, place, strlen(place));
	session_remove(dir);
	free(dir);
}

static void counters_of_all_processes_add_up(void **state)
{
	struct stats *mine, total;
	char *dir = create();
	int status;
	pid_t pid;

	assert_int_equal(session_sum(dir, &total), 0);
	assert_int_equal(total.maps, 0);
	for (unsigned i = 0; i < 2; i++) {
		pid = fork();
		if (!pid) {
			if (session_stats(dir, &mine))
				_exit(1);
			stats_add(&mine->maps, 5);
			stats_add(&mine->lost_pages, 1);
			raise(SIGKILL); /* what was counted outlives us */
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
	}
	assert_int_equal(session_stats(dir, &mine), 0);
	stats_add(&mine->maps, 1);
	assert_int_equal(session_sum(dir, &total), 0);
	assert_int_equal(total.magic, STATS_MAGIC);
	assert_int_equal(total.maps, 11);
	assert_int_equal(total.lost_pages, 2);
	munmap(mine, sizeof(*mine));
	session_remove(dir);
	free(dir);
}

static void foreign_counters_are_not_counted(void **state)
{
	char *dir = create();
	struct stats total, alien = { .magic = 1, .maps = 99 };
	int fd = open(below(dir, "stats/99999.0"), O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, &alien, sizeof(alien)), sizeof(alien));
	close(fd);
	close(open(below(dir, "stats/99998.0"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(session_sum(dir, &total), 0);
	assert_int_equal(total.maps, 0);
	session_remove(dir);
	free(dir);
}

static void damaged(const char *dir, const char *want)
{
	struct rf_machine *machine = NULL;
	char *error = NULL;

	assert_int_equal(session_machine(dir, &machine, &error), -EINVAL);
	assert_null(machine);
	assert_non_null(error);
	assert_non_null(strstr(error, dir));
	assert_null(strchr(error, '\n'));
	if (!strstr(error, want))
		fail_msg("\"%s\" lacks \"%s\"", error, want);
	free(error);
}

static void a_damaged_session_is_told(void **state)
{
	char *dir = create(), moved[PATH_MAX];
	int fd;

	assert_int_equal(truncate(below(dir, "machine.json"), 40), 0);
	damaged(dir, "is damaged: machine.json:");
	assert_int_equal(truncate(below(dir, "machine.json"), 0), 0);
	damaged(dir, "is damaged: machine.json:");
	assert_int_equal(unlink(below(dir, "machine.json")), 0);
	damaged(dir, "is damaged: machine.json: No such file");
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	assert_int_equal(rename(below(dir, "lock"), moved), 0);
	damaged(dir, "is damaged: lock: No such file");

	fd = open(below(dir, "session"), O_WRONLY);
	assert_int_equal(pwrite(fd, "9", 1, 26), 1);
	damaged(dir, "is no session of this version");
	assert_int_equal(pwrite(fd, "1", 1, 26), 1);
	close(fd);
	session_remove(dir);
	damaged(dir, "No such file");
	free(dir);
}

static void a_foreign_directory_is_refused_and_never_removed(void **state)
{
	damaged("/usr", "is no session");
	damaged("/dev/null", "Not a directory");
	session_remove(place);
	assert_int_equal(access(place, F_OK), 0);
}

static void removal_follows_no_link(void **state)
{
	char *dir = create(), outside[PATH_MAX];
	int fd;

	snprintf(outside, sizeof(outside), "%s/precious", place);
	assert_int_equal(mkdir(outside, 0700), 0);
	fd = open(below(outside, "file"), O_WRONLY | O_CREAT, 0600);
	close(fd);
	assert_int_equal(symlink(outside, below(dir, "sys/link")), 0);
	session_remove(dir);
	assert_int_equal(access(dir, F_OK), -1);
	assert_int_equal(unlink(below(outside, "file")), 0);
	assert_int_equal(rmdir(outside), 0);
	free(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, take_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_its_user_may_enter),
		TEST(its_machine_is_the_one_described),
		TEST(the_runtime_directory_comes_first),
		TEST(counters_of_all_processes_add_up),
		TEST(foreign_counters_are_not_counted),
		TEST(a_damaged_session_is_told),
		TEST(a_foreign_directory_is_refused_and_never_removed),
		TEST(removal_follows_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
