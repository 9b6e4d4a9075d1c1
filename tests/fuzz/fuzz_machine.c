/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Machine files and --device: arbitrary text either makes a machine, or is
 * refused with one line; and what a machine writes out reads back the same.
 *
 * The input is a machine file, then after a zero byte up to eight --device
 * texts, each ended by a zero byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/description.h"
#include "machine/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool what, const char *said)
{
	if (!what) {
		fprintf(stderr, "%s\n", said);
		abort();
	}
}

/* A file would be made or opened in earnest. */
static bool harmless(const char *text)
{
	return !strstr(text, "file") && !strstr(text, "\\u") && !strstr(text, ".so") &&
	       !strchr(text, '/');
}

static void check_refusal(int ret, char *error)
{
	insist(ret < 0, "a refusal without an errno");
	insist(error && *error, "a refusal without a line");
	free(error);
}

static void round_trip(const struct rf_machine *machine)
{
	char *first = description_write(machine->desc), *second, *error = NULL;
	struct rf_machine *again;

	insist(first, "not written");
	if (rf_machine_new(first, "again", &again, &error))
		insist(false, error);
	second = description_write(again->desc);
	insist(second && !strcmp(first, second), "read back as another machine");
	rf_machine_free(again);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *at, *error = NULL;
	struct rf_machine *machine;
	int ret;

	insist(text, "no memory");
	memcpy(text, data, size);
	text[size] = '\0';
	at = text;
	if (!harmless(at)) {
		free(text);
		return 0;
	}
	ret = rf_machine_new(at, "machine.json", &machine, &error);
	if (ret) {
		check_refusal(ret, error);
		free(text);
		return 0;
	}
	for (unsigned i = 0; i < 8; i++) {
		at += strlen(at) + 1;
		if (at >= text + size || !harmless(at))
			break;
		error = NULL;
		ret = rf_machine_add_device(machine, at, NULL, &error);
		if (ret)
			check_refusal(ret, error);
	}
	round_trip(machine);
	rf_machine_free(machine);
	free(text);
	return 0;
}
