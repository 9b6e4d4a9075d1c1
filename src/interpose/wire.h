/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The talk between a process that holds a descriptor and the one whose engine
 * serves it: messages of one size over SOCK_SEQPACKET.
 *
 * Each pair of process and open file has a connection of its own, so that answers
 * find who asked. It is made by the holder, who sends one end of it through the
 * descriptor itself (WIRE_HELLO): having that is the right to use it.
 *
 * On a connection the holder asks, one request at a time, and waits for
 * WIRE_REPLY. Before that the engine may ask back for things only the holder can
 * do, which it answers with a WIRE_REPLY of its own.
 */
#ifndef RF_INTERPOSE_WIRE_H
#define RF_INTERPOSE_WIRE_H

#include <ringfence/device.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_MAGIC 0x31657269775f6672ull /* "rf_wire1" */
#define WIRE_FDS   3

enum wire_op {
	/* the holder's; every argument that is not named is 0 */
	WIRE_HELLO, /* arg: magic; with the end, /proc/self/mem and /proc/self/maps */
	WIRE_IOCTL, /* arg: cmd, arg */
	WIRE_READ, /* arg: buffer, length, offset or WIRE_HERE */
	WIRE_WRITE,
	WIRE_MMAP, /* arg: offset, length, prot, flags; answered with the BAR's file */
	WIRE_LOAD, /* arg: BAR, offset, size */
	WIRE_STORE, /* the same, with bytes */
	WIRE_KEEP, /* with what keeps the holder's memory */
	/* the engine's */
	WIRE_REPLY, /* ret and flags */
	WIRE_INSTALL, /* arg: open flags; with a descriptor: what number does it get? */
	WIRE_BORROW, /* arg: number; answered with a copy of it, or -EBADF */
};

#define WIRE_HERE      UINT64_MAX /* at the file's own position */
#define WIRE_DRAIN     (1u << 0) /* reply: the byte that shows readiness goes */
#define WIRE_WANT_KEEP (1u << 1) /* reply: send WIRE_KEEP */

/* What WIRE_MMAP is answered with: the BAR's areas, and where in it the mapping begins. */
struct wire_mapping {
	uint32_t bar;
	uint32_t pad;
	uint64_t offset;
	struct rf_bar_area areas[RF_BAR_AREAS];
};

struct wire {
	uint32_t op;
	uint32_t flags;
	int64_t ret;
	uint64_t arg[4];
	union {
		uint8_t bytes[64];
		struct wire_mapping mapping;
	};
};

/* 0, or a negative errno: the other side is not there (-EPIPE) or cannot take it. */
int wire_send(int sock, const struct wire *w, const int *fds, unsigned nr_fds);
/*
 * Waits for a message, unless @now: then -EAGAIN. fds[] is filled with what came
 * along, close-on-exec, and -1. -EPIPE: no more will come; -EPROTO: it is no message.
 */
int wire_recv(int sock, struct wire *w, int fds[WIRE_FDS], bool now);
/* Close what a message brought. */
void wire_drop(int fds[WIRE_FDS]);

/*
 * The name of our end of a descriptor, by which another process knows what it
 * holds: the file's name, its open flags, and the inode of its own end.
 */
#define WIRE_PATH_MAX 72
void wire_name(int peer, ino_t inode, int oflags, const char *path);
/* Whether @fd is such a descriptor: true, with what its other end is called. */
bool wire_known(int fd, ino_t *inode, int *oflags, char path[WIRE_PATH_MAX]);

#endif
