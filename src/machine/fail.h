/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errors that carry a line for the user: the errno is returned, the line goes
 * to *error, to be freed by whoever asked for it.
 */
#ifndef RF_MACHINE_FAIL_H
#define RF_MACHINE_FAIL_H

/* Returns @err. @error may be NULL; what it holds already is replaced. */
int fail(int err, char **error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Put "PREFIX: " before a line that is there. Returns @err. */
int fail_prefix(int err, char **error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
