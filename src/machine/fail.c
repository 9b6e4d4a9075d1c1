/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Without memory for the line there is no line; the errno still says it.
 */
#include "machine/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int fail(int err, char **error, const char *fmt, ...)
{
	char *line = NULL;
	va_list ap;

	if (!error)
		return err;
	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	free(*error);
	*error = line;
	return err;
}

int fail_prefix(int err, char **error, const char *fmt, ...)
{
	char *prefix = NULL, *line = NULL;
	va_list ap;

	if (!error || !*error)
		return err;
	va_start(ap, fmt);
	if (vasprintf(&prefix, fmt, ap) < 0)
		prefix = NULL;
	va_end(ap);
	if (prefix && asprintf(&line, "%s: %s", prefix, *error) >= 0) {
		free(*error);
		*error = line;
	}
	free(prefix);
	return err;
}
