/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A holder's connection, from the engine's side; see connection.c.
 */
#ifndef RF_INTERPOSE_CONNECTION_H
#define RF_INTERPOSE_CONNECTION_H

#include "base/file.h"
#include "base/hidden.h"
#include "interpose/fd.h"
#include "interpose/wire.h"

/**
 * struct connection - a process that holds one of our files
 * @caller: on whose behalf its requests run; its memory
 * @sock: our end; -1: the connection has ended
 * @d: the open file, or another one that has taken its place
 * @serial: of the one that is meant
 * @file: it, during a request
 * @borrowed: numbers it has lent for the request
 * @next: in the list of those that have ended
 */
struct connection {
	struct file_caller caller;
	int sock;
	struct open_file *d;
	uint64_t serial;
	struct file *file;
	struct hidden **borrowed;
	unsigned nr_borrowed;
	unsigned max_borrowed;
	struct connection *next;
};

/* Takes @fds over: the end, memory and map of the holder. NULL: it is refused. */
struct connection *connection_new(struct open_file *d, int fds[WIRE_FDS]);
void connection_free(struct connection *c);
/* Serve a request and answer it. 0, or a negative errno: the connection is of no more use. */
int connection_serve(struct connection *c, struct wire *w, int fds[WIRE_FDS]);

#endif
