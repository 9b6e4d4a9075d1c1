/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log: lines for the person who runs the program, on the session's
 * standard error as it was at start ("ringfence: ..."). Safe in a signal
 * handler; never allocates; a line is one write(2), bypassing interposition.
 */
#ifndef RF_BASE_LOG_H
#define RF_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are dropped; the default is LOG_WARN. */
void log_set_level(enum log_level level);
/* Where lines go; the default is descriptor 2. */
void log_set_fd(int fd);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
