/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ringfence command: parts shared between its files.
 */
#ifndef RF_CLI_CLI_H
#define RF_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>

#include "base/stats.h"

/* What the command itself finds wrong, before or instead of a program's own status. */
#define EXIT_WRONG 2

int cmd_run(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_groups(int argc, char **argv);
int cmd_topology(int argc, char **argv);

/* "ringfence: ..." as one line on standard error; returns EXIT_WRONG. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for the option that getopt_long() has just refused, with the nearest known one. */
int complain_option(const char *command, char *const *argv, int opt, const struct option *known);

/**
 * struct program - a program as the dynamic loader will see it
 * @path: what to execute
 * @dynamic: it has a dynamic loader, so LD_PRELOAD works
 * @sanitizer: the sanitizer library it is linked to, which has to be loaded
 *	first; NULL: none
 */
struct program {
	char *path;
	bool dynamic;
	char *sanitizer;
};

/* Find a program as execvp() would. 0, or -ENOENT, -EACCES, -ENOMEM; then nothing is set. */
int program_find(const char *name, struct program *out);
void program_release(struct program *program);
/* The sanitizer library an ELF file is linked to, to be freed, or NULL. */
char *program_sanitizer(const char *path);

/* The preloaded library that belongs to this executable, to be freed, or NULL. */
char *preload_find(void);

/* What happened in the session, in a few lines on standard error; @status as of waitpid(). */
void summary_print(const struct stats *s, const char *program, int status, double seconds);

#endif
