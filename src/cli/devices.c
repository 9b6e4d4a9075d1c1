/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ringfence devices: what --device understands.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "machine/model.h"
#include "models/models.h"

static const char help[] =
	"usage: ringfence devices [FILE.so]...\n"
	"\n"
	"List the device models that are built in, or those of the shared objects\n"
	"named, with the properties that --device MODEL,NAME=VALUE takes.\n";

static const char *kind_name(enum rf_prop_kind kind)
{
	switch (kind) {
	case RF_PROP_STRING:
		return "TEXT";
	case RF_PROP_PATH:
		return "FILE";
	case RF_PROP_SIZE:
		return "SIZE";
	case RF_PROP_UINT:
		return "NUMBER";
	case RF_PROP_BOOL:
		return "on|off";
	}
	return "?";
}

static void print_model(const struct rf_pci_model *model)
{
	if (model->declare && !model->vendor)
		printf("%-10s any        %s\n", model->name, model->summary ?: "");
	else
		printf("%-10s %04x:%04x  %s\n", model->name, model->vendor, model->device,
		       model->summary ?: "");
	for (const struct rf_prop *prop = model->props; prop && prop->name; prop++) {
		char name[64];

		snprintf(name, sizeof(name), "%s=%s", prop->name, kind_name(prop->kind));
		printf("  %-18s %s", name, prop->help ?: "");
		if (prop->def)
			printf(" (default %s)", prop->def);
		putchar('\n');
	}
}

int cmd_devices(int argc, char **argv)
{
	static const struct option known[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
	const struct rf_pci_model *model;
	char *error = NULL, *found;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", known, NULL)) != -1) {
		if (opt != 'h')
			return complain_option("devices", argv, opt, known);
		fputs(help, stdout);
		return 0;
	}
	for (size_t i = 0; optind == argc && models_builtin[i]; i++)
		print_model(models_builtin[i]);
	for (; optind < argc; optind++) {
		int ret = model_find(argv[optind], &model, &found, &error);

		if (ret) {
			complain("devices: %s", error ?: strerror(-ret));
			free(error);
			return EXIT_WRONG;
		}
		free(found);
		print_model(model);
	}
	return 0;
}
