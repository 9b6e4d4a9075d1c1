/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a command line to a machine.
 */
#include "cli/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "machine/description.h"

char *load_file(const char *path)
{
	bool standard = !strcmp(path, "-");
	FILE *file = standard ? stdin : fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t len;

	if (!file) {
		complain("%s: %s", path, strerror(errno));
		return NULL;
	}
	errno = 0;
	len = getdelim(&text, &size, '\0', file);
	if (len < 0 && feof(file)) {
		free(text);
		text = strdup("");
	} else if (len < 0) {
		complain("%s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	} else if ((size_t)len != strlen(text)) {
		complain("%s: has a zero byte in it: not a text file", path);
		free(text);
		text = NULL;
	}
	if (!standard)
		fclose(file);
	return text;
}

int load_add_device(struct load *load, const char *command, const char *spec)
{
	if (load->nr_devices == LOAD_DEVICES_MAX)
		return complain("%s: more than %u devices", command, LOAD_DEVICES_MAX);
	load->devices[load->nr_devices++] = spec;
	return 0;
}

int load_machine(const struct load *load, struct rf_machine **machine)
{
	struct description *desc;
	char *json = NULL, *error = NULL;
	int ret;

	if (load->machine_file) {
		json = load_file(load->machine_file);
		if (!json)
			return EXIT_WRONG;
	}
	ret = description_new(json, load->machine_file, &desc, &error);
	free(json);
	for (size_t i = 0; !ret && i < load->nr_devices; i++) {
		ret = description_add(desc, load->devices[i], &error);
		if (ret)
			description_free(desc);
	}
	if (!ret)
		ret = machine_build(desc, machine, &error);
	if (ret)
		complain("%s", error ?: strerror(-ret));
	free(error);
	return ret ? EXIT_WRONG : 0;
}
