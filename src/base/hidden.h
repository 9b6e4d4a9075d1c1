/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that we keep for ourselves, in a process whose numbers belong to
 * the program.
 *
 * They lie high, where they do not disturb the numbers that the program is
 * given, and are close-on-exec. Under the interposer the program can neither
 * close nor use them: it hears of each by hidden_hook.
 */
#ifndef RF_BASE_HIDDEN_H
#define RF_BASE_HIDDEN_H

#include <stdbool.h>

/* The lowest number that is out of the way: what F_DUPFD_CLOEXEC should ask for. */
int hidden_floor(void);

/* A copy of @fd, out of the way and marked. @fd stays. The number, or a negative errno. */
int hidden_dup(int fd);

/* The same in the place of @fd, which is closed. If there is no room up there, @fd itself. */
int hidden_move(int fd);

void hidden_close(int fd);

/* Who keeps account of numbers: called after one is taken and before it is closed. May be NULL. */
extern void (*hidden_hook)(int fd, bool hidden);

#endif
