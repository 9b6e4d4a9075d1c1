/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What real Linux answers, we answer: the oracle program against edu and nvme,
 * on a machine like the one its outputs are from.
 *
 * With an argument, a device's address, prints our answers instead.
 */
#include <stdio.h>
#include <sys/wait.h>

#include "iommu/kind.h"
#include "models/models.h"
#include "oracle_rig.h"
#include "rig.h"

#define EDU	  "0000:00:04.0"
#define NVME	  "0000:00:05.0"
#define MAX_LINES 2048
#define LINE	  1024

static void machine_init(struct rig *rig)
{
	static const struct prop_value nvme[] = { { "size", "16M" }, { NULL, NULL } };
	const struct iommu_kind *kind = iommu_kind_find("x86-39");
	struct rf_device *dev;

	assert_non_null(kind);
	rig_init(rig);
	/* addresses and interrupt lines are what the firmware of that machine chose */
	dev = rig_add(rig, &edu_model, EDU, kind, NULL);
	device_set_bar_address(dev, 0, 0xfea00000);
	config_write(dev, 0x3c, 10, 1);
	dev = rig_add(rig, &nvme_model, NVME, kind, nvme);
	device_set_bar_address(dev, 0, 0xfeb80000);
	config_write(dev, 0x3c, 10, 1);
}

static int machine_ask(const char *bdf)
{
	struct rig rig;
	int ret;

	machine_init(&rig);
	ret = oracle_run(&rig, bdf);
	fflush(stdout);
	rig_fini(&rig);
	return ret;
}

struct lines {
	char *line[MAX_LINES];
	unsigned nr;
};

static void lines_read(FILE *in, struct lines *lines)
{
	char buf[LINE];

	lines->nr = 0;
	while (lines->nr < MAX_LINES && fgets(buf, sizeof(buf), in)) {
		buf[strcspn(buf, "\n")] = '\0';
		lines->line[lines->nr++] = strdup(buf);
	}
}

static void lines_free(struct lines *lines)
{
	while (lines->nr)
		free(lines->line[--lines->nr]);
}

static void lines_of_file(const char *name, struct lines *lines)
{
	char path[512];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", ORACLE_DIR, name);
	in = fopen(path, "r");
	if (!in)
		fail_msg("cannot read %s", path);
	lines_read(in, lines);
	fclose(in);
}

/* In a child, as the program writes to standard output. */
static void lines_of_ours(const char *bdf, struct lines *lines)
{
	int fds[2], status;
	pid_t child;
	FILE *in;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		_exit(machine_ask(bdf));
	}
	close(fds[1]);
	in = fdopen(fds[0], "r");
	lines_read(in, lines);
	fclose(in);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void edu_answers_as_linux_does(void **state)
{
	struct lines want, got;
	unsigned wrong = 0;

	lines_of_file("oracle-edu.txt", &want);
	lines_of_ours(EDU, &got);
	for (unsigned i = 0; i < want.nr && i < got.nr; i++) {
		if (!strcmp(want.line[i], got.line[i]))
			continue;
		print_message("# want %s\n# got  %s\n", want.line[i], got.line[i]);
		wrong++;
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(got.nr, want.nr);
	lines_free(&want);
	lines_free(&got);
}

/*
 * The list of lines that may differ: "NNN reason"; a line number covers the same
 * call in the second round (382 lines on). '#' begins a comment.
 */
static bool difference_listed(const struct lines *list, unsigned number, bool *used)
{
	bool listed = false;

	for (unsigned i = 0; i < list->nr; i++) {
		unsigned n = (unsigned)strtoul(list->line[i], NULL, 10);

		if (!n || (n != number && n + 382 != number))
			continue;
		used[i] = true;
		listed = true;
	}
	return listed;
}

static void nvme_differs_only_where_it_is_listed(void **state)
{
	struct lines want, got, list;
	bool used[MAX_LINES] = { false };
	unsigned unlisted = 0, stale = 0;

	lines_of_file("oracle-nvme.txt", &want);
	lines_of_file("nvme-differences.txt", &list);
	lines_of_ours(NVME, &got);
	for (unsigned i = 0; i < want.nr && i < got.nr; i++) {
		unsigned number = (unsigned)strtoul(want.line[i], NULL, 10);

		if (!strcmp(want.line[i], got.line[i]) || difference_listed(&list, number, used))
			continue;
		print_message("# want %s\n# got  %s\n", want.line[i], got.line[i]);
		unlisted++;
	}
	for (unsigned i = 0; i < list.nr; i++) {
		if (strtoul(list.line[i], NULL, 10) && !used[i]) {
			print_message("# no difference any more: %s\n", list.line[i]);
			stale++;
		}
	}
	assert_int_equal(unlisted, 0);
	assert_int_equal(stale, 0);
	assert_int_equal(got.nr, want.nr);
	lines_free(&want);
	lines_free(&got);
	lines_free(&list);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edu_answers_as_linux_does),
		cmocka_unit_test(nvme_differs_only_where_it_is_listed),
	};

	if (argc > 1)
		return machine_ask(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
