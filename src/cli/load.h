/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machines from a command line, for every command that takes one.
 */
#ifndef RF_CLI_LOAD_H
#define RF_CLI_LOAD_H

#include <stddef.h>

#include "machine/machine.h"

#define LOAD_DEVICES_MAX 1024u

/**
 * struct load - what --machine and --device said
 */
struct load {
	const char *machine_file;
	const char *devices[LOAD_DEVICES_MAX];
	size_t nr_devices;
};

/* The text of a file, "-" for standard input; to be freed. NULL after a complaint. */
char *load_file(const char *path);
/* 0; or EXIT_WRONG after a complaint. */
int load_machine(const struct load *load, struct rf_machine **machine);
/* Another --device: 0 or EXIT_WRONG. */
int load_add_device(struct load *load, const char *command, const char *spec);

#endif
