/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The descriptor table: which numbers of the process are ours; see fd.c.
 */
#ifndef RF_INTERPOSE_FD_H
#define RF_INTERPOSE_FD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/file.h"
#include "interpose/engine.h"

#define FD_MAX 65536

/* What fd_marks[] says of a number; 0: not ours. */
enum fd_mark {
	FD_FILE = 1, /* an open file of this process */
	FD_FOREIGN, /* inherited from the parent, whose engine is not here */
	FD_HIDDEN, /* the engine's own: for the program it does not exist */
};

extern uint8_t fd_marks[FD_MAX];

static inline enum fd_mark fd_mark(int fd)
{
	return fd >= 0 && fd < FD_MAX ?
		       (enum fd_mark)__atomic_load_n(&fd_marks[fd], __ATOMIC_RELAXED) :
		       0;
}

/**
 * struct open_file - an open file description of the kernel: what dup()ed numbers share
 * @file: what it stands for; one reference
 * @refs: one while open, one a call in flight; its memory is
 *	never given back, so a stale pointer can be looked at (fd_get())
 * @peer: our end of the socket pair
 * @inode: of the program's end, by which a descriptor that arrives is known
 * @oflags: access mode and flags of the open
 * @pos: file position
 * @next: in the list of open ones, or of free ones; under the table's lock
 */
struct open_file {
	struct file *file;
	atomic_uint refs;
	int peer;
	ino_t inode;
	int oflags;
	_Atomic uint64_t pos;
	struct open_file *next;
};

/*
 * The open file behind a number, held until fd_put(). NULL with *@err:
 * -EBADF for no such number, -ENODEV for one inherited over a fork.
 */
struct open_file *fd_get(int fd, int *err);
void fd_put(struct open_file *d);

/* Give a file a number; consumes one reference unless it fails. The number or a negative errno. */
int fd_install(struct file *file, int oflags);
/* A number that came from the kernel without our knowing: ours if its socket is. */
void fd_recognise(int fd);
/* Whether the kernel knows the number. */
bool fd_is_there(int fd);
/* Whether any file is open at all: one load. */
bool fd_any(void);

/* Drop the open files that nobody holds any more, here or in another process. */
void fd_sweep(void);

/*
 * Move a descriptor of the engine out of the program's sight, to a high
 * number. @slot holds the number, and is updated should the program insist on
 * having that very number (dup2): it must stay where it is until
 * fd_hidden_close(), which sets it to -1.
 */
void fd_hide(int *slot);
void fd_hidden_close(int *slot);
/* What @fn returns for the number, which stays what it is meanwhile. */
int fd_hidden_use(const int *slot, int (*fn)(int fd));

/* As the system calls, for when one of the numbers is ours. A result or a negative errno. */
int fd_close(int fd);
int fd_close_range(unsigned first, unsigned last, unsigned flags);
int fd_dup(int fd, int min, bool cloexec);
int fd_dup_to(int fd, int to, int oflags, bool dup2);

/* In a child of fork: none of it is ours. */
void fd_abandon(void);
void fd_fork_prepare(void);
void fd_fork_parent(void);

#endif
