/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owners in other processes: memory that is reached by system calls, never by
 * pointer; see owner_remote.c.
 */
#ifndef RF_MEMORY_OWNER_REMOTE_H
#define RF_MEMORY_OWNER_REMOTE_H

#include <stdbool.h>
#include <sys/types.h>

#include "memory/owner.h"

/**
 * struct owner_fds - what a process hands over so that its memory can be reached
 * @mem: its /proc/self/mem
 * @maps: its /proc/self/maps
 * @alive: a socket whose other end it alone has: its hang-up is the process's end
 */
struct owner_fds {
	int mem;
	int maps;
	int alive;
};

/* One reference; takes the descriptors over, unless it fails: NULL, no memory. */
struct rf_owner *owner_new_remote(pid_t pid, const struct owner_fds *fds);

/*
 * The process waits for us: its pointers are read as the kernel would, by its own
 * rights. Otherwise what was pinned is reached whatever its rights are.
 */
void owner_begin_call(struct rf_owner *owner);
void owner_end_call(struct rf_owner *owner);

/* Somebody other than its process holds a reference, and nothing keeps the memory yet. */
bool owner_wants_keeper(struct rf_owner *owner);
/* @fd: closing it lets the memory go. Takes it over. */
void owner_set_keeper(struct rf_owner *owner, int fd);

/*
 * The process is gone, or has another memory now. What is pinned stays until it
 * is unpinned; what is not is -EFAULT from now on.
 */
void owner_left(struct rf_owner *owner);

#endif
