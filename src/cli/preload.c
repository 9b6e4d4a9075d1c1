/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding the preloaded library: beside this executable, as a build tree or an
 * installation has it, so that either can be moved.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

char *preload_find(void)
{
	static const char *const places[] = {
		"src/interpose/libringfence-preload.so", /* the build tree */
		"libringfence-preload.so",
		RF_LIBDIR_FROM_BINDIR "/libringfence-preload.so",
	};
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *path;

	if (len < 0)
		return NULL;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (asprintf(&path, "%s/%s", self, places[i]) < 0)
			return NULL;
		if (!access(path, R_OK)) {
			char *real = realpath(path, NULL);

			free(path);
			return real;
		}
		free(path);
	}
	return NULL;
}
