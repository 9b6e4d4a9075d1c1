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
	FD_FOREIGN, /* of another process's file, and not used yet: see fd_share.c */
	FD_HIDDEN, /* the engine's own: for the program it does not exist */
};

extern uint8_t fd_marks[FD_MAX];

/* Some number was ours once. */
extern bool fd_ever;

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
 * @peer: our end of the socket pair; -1: it is in another process (holder.c)
 * @serial: which one it is, as memory is used again
 * @inode: of the program's end, by which a descriptor that arrives is known
 * @oflags: access mode and flags of the open
 * @dev: the device whose BARs were mapped through it, if any were
 * @pos: file position
 * @next: in the list of open ones, or of free ones; under the table's lock
 */
struct open_file {
	struct file *file;
	atomic_uint refs;
	int peer;
	uint64_t serial;
	ino_t inode;
	int oflags;
	struct rf_device *dev;
	_Atomic uint64_t pos;
	struct open_file *next;
};

/*
 * The open file behind a number, held until fd_put(). NULL with *@err:
 * -EBADF for no such number, -ENODEV for one whose engine has ended.
 */
struct open_file *fd_get(int fd, int *err);
void fd_put(struct open_file *d);

/* Give a file a number; consumes one reference unless it fails. The number or a negative errno. */
int fd_install(struct file *file, int oflags);
/* The same for another process: the number is what to send there, and of no meaning here. */
int fd_install_away(struct file *file, int oflags);

/*
 * A number that came from the kernel without our knowing: ours if its socket is, or
 * another process's.
 */
void fd_recognise(int fd);
/* After exec: all of them. */
void fd_recognise_all(void);
/* A number that another process gave us a file under: itself, or a negative errno. */
int fd_adopt(int fd, int oflags);
/*
 * The file of another process behind a number that is FD_FOREIGN: 0, then it is FD_FILE;
 * or -ENODEV, -ENOMEM.
 */
int fd_settle_foreign(int fd);
/* In a child of fork: the number that led to a file of the parent, or -1. */
int fd_of_file(const struct file *file);

struct wire;
/*
 * What the service needs: whether a file of ours is open, whether an exec would
 * pass one on, a call for each and every later one (NULL: no more; the table's
 * lock is held), a message from a holder (as wire_recv()), the file that a holder
 * means (NULL: it has ended), the file that a descriptor of ours leads to.
 */
bool fd_any_local(void);
bool fd_any_inherited(void);
void fd_each_open(void (*opened)(struct open_file *d));
int fd_receive(struct open_file *d, struct wire *w, int *fds);
struct open_file *fd_hold(struct open_file *d, uint64_t serial);
struct file *fd_file_behind(int fd);
/* Whether the kernel knows the number. */
bool fd_is_there(int fd);
/* Whether any file is open at all: one load. */
bool fd_any(void);

/* Drop the open files that nobody holds any more, here or in another process. */
void fd_sweep(void);
/* An ioctl that was -EBUSY, once more, with all closed that nobody holds. */
long fd_ioctl_again(struct file *file, struct file_caller *caller, unsigned long cmd,
		    unsigned long arg);

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
void fd_open_abandon(void);
void fd_fork_prepare(void);
void fd_fork_parent(void);

#endif
