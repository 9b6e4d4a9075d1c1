/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ringfence: run programs in front of modelled devices. A thin user of the
 * library; everything it says goes to standard error, so a program's output
 * stays the program's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "machine/suggest.h"

static const char help[] =
	"usage: ringfence COMMAND ...\n"
	"\n"
	"Run programs that use VFIO in front of devices that are only modelled: no\n"
	"IOMMU, no hardware, no root.\n"
	"\n"
	"commands:\n"
	"  run [--device SPEC]... [--] PROGRAM [ARGUMENT]...\n"
	"                 run a program on a machine\n"
	"  devices [FILE.so]...\n"
	"                 list device models and their properties\n"
	"  groups [--machine FILE] [--why BDF] [--svg]\n"
	"                 show isolation groups, of a machine or of this host, and why\n"
	"  topology import [FILE]\n"
	"                 make a machine file of this host, or of what lspci printed\n"
	"\n"
	"  --help         show this; 'ringfence COMMAND --help' shows more\n"
	"  --version      show the version\n"
	"\n"
	"example:\n"
	"  ringfence run --device nvme,size=1G -- \\\n"
	"      qemu-io -f raw nvme://0000:01:00.0/1 -c 'write -P 0x5a 0 64M'\n";

/* One write, so that lines of several processes do not mix. */
int complain(const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (char *p = line; len >= 0 && *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	fprintf(stderr, "ringfence: %s\n", line);
	return EXIT_WRONG;
}

int complain_option(const char *command, char *const *argv, int opt, const struct option *known)
{
	const char *typed = argv[optind - 1], *near, *words[16];
	char name[64];
	size_t n = 0;

	if (opt == ':')
		return complain("%s: option '%s' needs a value", command, typed);
	if (strncmp(typed, "--", 2) != 0)
		return complain("%s: unknown option '-%c'; see 'ringfence %s --help'", command,
				optopt, command);
	for (; known->name && n < 15; known++)
		words[n++] = known->name;
	words[n] = NULL;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed + 2, "="), typed + 2);
	for (n = 0; words[n]; n++)
		if (!strcmp(words[n], name))
			return complain("%s: option '--%s' takes no value", command, name);
	near = suggest_word(name, words);
	if (near)
		return complain("%s: unknown option '--%s' (did you mean '--%s'?)", command, name,
				near);
	return complain("%s: unknown option '--%s'; see 'ringfence %s --help'", command, name,
			command);
}

int main(int argc, char **argv)
{
	static const char *const words[] = { "run",    "devices",   "groups", "topology",
					     "--help", "--version", NULL };
	const char *near;

	if (argc < 2) {
		fputs(help, stderr);
		return EXIT_WRONG;
	}
	if (!strcmp(argv[1], "run"))
		return cmd_run(argc - 1, argv + 1);
	if (!strcmp(argv[1], "devices"))
		return cmd_devices(argc - 1, argv + 1);
	if (!strcmp(argv[1], "groups"))
		return cmd_groups(argc - 1, argv + 1);
	if (!strcmp(argv[1], "topology"))
		return cmd_topology(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		fputs(help, stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("ringfence " RF_VERSION);
		return 0;
	}
	near = suggest_word(argv[1], words);
	if (near)
		return complain("unknown command '%s' (did you mean '%s'?)", argv[1], near);
	return complain("unknown command '%s'; see 'ringfence --help'", argv[1]);
}
