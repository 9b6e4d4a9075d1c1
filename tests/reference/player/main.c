/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * player [-d NAME=BDF]... [-b] [-t SECONDS] FILE...
 * player [-d NAME=BDF]... [-v NAME=VALUE]... -x FILE
 *
 * A file holds scripts, each after a line `== NAME`. Every script is played by
 * a process of its own, one after the other, so that nothing of one reaches the
 * next; this one only forks and waits, and says how each ended. Children that a script
 * leaves behind are ended with it.
 *
 *	-d  what scripts call the device at that address
 *	-b  bind these devices to vfio-pci first
 *	-t  end a script that takes longer
 *	-v  a variable, and
 *	-x  the file is a single script without heading, played here: this is what the block of an
 *	    `exec` becomes
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "player.h"

static unsigned seconds = 20;

static struct vars vars;

static void add_var(char *name_is_value)
{
	char *equals = strchr(name_is_value, '=');

	if (!equals || equals - name_is_value >= NAME_SIZE || vars.count == MAX_VARS) {
		fprintf(stderr, "player: -v NAME=VALUE, not %s\n", name_is_value);
		exit(2);
	}
	*equals = '\0';
	strcpy(vars.var[vars.count].name, name_is_value);
	vars.var[vars.count++].value = strtoull(equals + 1, NULL, 0);
}

static _Noreturn void play_here(const char *name, char *text)
{
	struct stage stage = { .out = stdout, .vars = &vars };
	struct script script = { .name = name };

	alarm(seconds);
	fault_catch();
	script_parse(&script, text);
	script_play(&stage, &script, 0, script.nlines);
	fflush(stdout);
	_exit(0);
}

static void play(const char *name, char *text)
{
	pid_t child;
	int status;

	printf("== %s\n", name);
	fflush(stdout);
	child = fork();
	if (!child) {
		setpgid(0, 0);
		play_here(name, text);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		printf("!! %s\n", strerror(errno));
		exit(1);
	}
	kill(-child, SIGKILL);
	while (waitpid(-child, NULL, 0) > 0)
		;
	if (WIFSIGNALED(status))
		printf("!! killed by %s\n", fault_name(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		printf("!! exited with %d\n", WEXITSTATUS(status));
}

static char *read_all(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t used = 0, size = 1 << 16, got;
	char *text = malloc(size + 1);

	if (!file || !text)
		goto bad;
	while ((got = fread(text + used, 1, size - used, file)) > 0) {
		used += got;
		if (used < size)
			continue;
		size *= 2;
		text = realloc(text, size + 1);
		if (!text)
			goto bad;
	}
	fclose(file);
	text[used] = '\0';
	return text;
bad:
	perror(path);
	exit(1);
}

/* The name of the script that begins at this line, or NULL; *line moves behind it. */
static char *heading(char **line)
{
	char *name = *line + 3, *end;

	if (strncmp(*line, "== ", 3))
		return NULL;
	end = name + strcspn(name, "\n");
	*line = *end ? end + 1 : end;
	*end = '\0';
	return name;
}

static void play_file(const char *path)
{
	char *text = read_all(path), *at = text, *next;
	char *name = heading(&at);

	while (name) {
		char *body = at, *following = NULL;

		for (next = body; next && *next; next = next ? next + 1 : NULL) {
			char *line = next;

			following = heading(&line);
			if (following) {
				*next = '\0';
				at = line;
				break;
			}
			next = strchr(next, '\n');
			if (!next)
				break;
		}
		play(name, body);
		name = following;
	}
	free(text);
}

int main(int argc, char **argv)
{
	bool bind = false, here = false;
	int opt;

	while ((opt = getopt(argc, argv, "d:bt:v:x")) != -1) {
		if (opt == 'd') {
			names_add(optarg);
		} else if (opt == 'b') {
			bind = true;
		} else if (opt == 't') {
			seconds = (unsigned)atoi(optarg);
		} else if (opt == 'v') {
			add_var(optarg);
		} else if (opt == 'x') {
			here = true;
		} else {
			fprintf(stderr,
				"usage: player [-d NAME=BDF]... [-b] [-t SECONDS] FILE...\n");
			return 2;
		}
	}
	if (bind)
		names_bind();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (here)
		play_here("block", read_all(argv[optind]));
	for (; optind < argc; optind++)
		play_file(argv[optind]);
	printf("== end\n");
	return 0;
}
