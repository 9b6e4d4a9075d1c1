/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: the directory that `ringfence run` makes and every process below
 * it finds by RINGFENCE_SESSION.
 *
 *	session		one line: what this directory is, and its format
 *	machine.json	the machine, complete (description_write())
 *	sys/ dev/	the view (view_build())
 *	lock/group-N	flock'ed exclusively while group N is open
 *	stats/PID.N	one struct stats a process
 *	alive		locked by the command while it runs: see session_owner.c
 *	media/BDF	what a device stores: a link to the command's memory file
 *	huge-pages	there when programs get ordinary pages for huge ones
 */
#ifndef RF_MACHINE_SESSION_H
#define RF_MACHINE_SESSION_H

#include "base/stats.h"

#define SESSION_ENV	   "RINGFENCE_SESSION"
#define SESSION_HUGE_PAGES "huge-pages"

struct rf_machine;

/*
 * Make a session for a machine; *dir and *error to be freed. It lies in
 * $XDG_RUNTIME_DIR, $TMPDIR, /dev/shm or /tmp, the first of them that can be
 * written; only its user may enter.
 * Nothing is left behind on failure.
 */
int session_create(const struct rf_machine *machine, char **dir, char **error);
/* Add up the counters of all its processes. 0 or a negative errno. */
int session_sum(const char *dir, struct stats *total);
/* Remove the directory; what is no session stays. Never fails. */
void session_remove(const char *dir);
/*
 * Say that this process looks after @dir: a descriptor to keep open, or a
 * negative errno, without which a session is never swept.
 */
int session_hold(const char *dir);
/* Not any more: whoever wants it may keep it. */
void session_keep(const char *dir);
/* Remove the sessions beside @dir whose commands were killed. Never fails. */
void session_sweep(const char *dir);

/* In a process of the session: the machine of @dir; a truncated or foreign directory is -EINVAL. */
int session_machine(const char *dir, struct rf_machine **out, char **error);
/* Map this process's counters into the session. */
int session_stats(const char *dir, struct stats **out);

#endif
