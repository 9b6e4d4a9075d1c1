/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: the directory that `ringfence run` makes and every process below
 * it finds by RINGFENCE_SESSION.
 *
 *	machine.json	the machine, complete (machine_describe())
 *	sys/ dev/ ...	the view (view_build())
 *	lock/group-N	flock'ed exclusively while group N is open
 *	stats/PID.XXXX	one struct stats a process
 */
#ifndef RF_MACHINE_SESSION_H
#define RF_MACHINE_SESSION_H

#include "base/stats.h"

#define SESSION_ENV "RINGFENCE_SESSION"

/* Make a session for a description. *dir and *error to be freed. */
int session_create(const char *machine_json, char **dir, char **error);
/* Add up the counters of all its processes. */
int session_sum(const char *dir, struct stats *total);
void session_remove(const char *dir);

/* In a process of the session: the machine of @dir; a truncated or foreign directory is -EINVAL. */
struct rf_machine;
int session_machine(const char *dir, struct rf_machine **out, char **error);
/* Map this process's counters into the session. */
int session_stats(const char *dir, struct stats **out);

#endif
