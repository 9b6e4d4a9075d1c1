/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ringfence topology: machine files of real machines.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/load.h"
#include "cli/names.h"
#include "machine/import.h"
#include "machine/suggest.h"

static const char help[] =
	"usage: ringfence topology import [FILE]\n"
	"\n"
	"Write a machine file, to standard output, that has the PCI topology of a real\n"
	"machine: of this host, or of one where somebody saved\n"
	"\n"
	"  sudo lspci -xxxx -nn -k > FILE\n"
	"\n"
	"FILE - is standard input. This host's ports can be read in full by root only.\n"
	"\n"
	"options:\n"
	"  --sysfs DIR     import from a copy of another host's /sys\n"
	"  --help          show this\n";

static const struct option known[] = {
	{ "sysfs", required_argument, NULL, 'S' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct naming {
	struct names *names;
	char text[256];
};

static const char *name_of(const struct pci_function *fn, void *arg)
{
	struct naming *naming = arg;

	return names_device(naming->names, fn, naming->text, sizeof(naming->text));
}

static int write_import(const struct import *import)
{
	struct naming naming = { .names = names_new() };
	char *text = naming.names ? import_write(import, name_of, &naming) : NULL;
	int status = 0;

	if (!text)
		status = complain("topology: %s", strerror(ENOMEM));
	else if (puts(text) < 0 || fflush(stdout))
		status = complain("topology: %s", strerror(errno));
	names_free(naming.names);
	free(text);
	if (!status && import->nr_headers)
		fprintf(stderr,
			"ringfence: of %zu of %zu functions only the start of configuration space "
			"is known\n"
			"ringfence: (the first 64 bytes without root, 256 with lspci -xxx):\n"
			"ringfence: which ports isolate (ACS) is not among them. Run this as root, "
			"or import\n"
			"ringfence: what 'sudo lspci -xxxx -nn -k' prints\n",
			import->nr_headers, topology_count(import->topology));
	return status;
}

static int import_from(const char *file, const char *sysfs)
{
	struct import import;
	char *text = NULL, *error = NULL;
	int ret, status;

	if (file) {
		text = load_file(file);
		if (!text)
			return EXIT_WRONG;
		ret = import_lspci(text, file, &import, &error);
	} else {
		ret = import_sysfs(sysfs ?: "/sys", &import, &error);
	}
	free(text);
	if (ret) {
		complain("%s", error ?: strerror(-ret));
		free(error);
		return EXIT_WRONG;
	}
	status = write_import(&import);
	import_release(&import);
	return status;
}

int cmd_topology(int argc, char **argv)
{
	const char *sysfs = NULL, *word;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (opt != 'S')
			return complain_option("topology", argv, opt, known);
		sysfs = optarg;
	}
	word = optind < argc ? argv[optind++] : NULL;
	if (!word)
		return complain("topology: what to do? See 'ringfence topology --help'");
	if (strcmp(word, "import") != 0)
		return complain("topology: cannot '%s'%s; see 'ringfence topology --help'", word,
				suggest_word(word, (const char *[]){ "import", NULL }) ?
					" (did you mean 'import'?)" :
					"");
	if (optind + 1 < argc || (optind < argc && sysfs))
		return complain("topology: import takes one file, or --sysfs");
	return import_from(optind < argc ? argv[optind] : NULL, sysfs);
}
