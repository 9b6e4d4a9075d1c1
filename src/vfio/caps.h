/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capability chains: the variable part behind a fixed INFO structure.
 *
 * Capabilities are collected in a buffer, each padded to eight bytes, with
 * next offsets counted from the start of the chain. Only caps_put() knows
 * where the chain will lie in the caller's buffer, and whether it fits there.
 */
#ifndef RF_VFIO_CAPS_H
#define RF_VFIO_CAPS_H

#include <stddef.h>
#include <stdint.h>

struct file_caller;
struct vdev;

#define CAPS_MAX 256u

struct caps {
	_Alignas(8) uint8_t buf[CAPS_MAX];
	uint32_t size;
	uint32_t last; /* offset of the last header; meaningless while size is 0 */
};

/*
 * Append a capability of @size bytes, header included: zeroed but for its
 * header. NULL when the buffer is full.
 */
void *caps_add(struct caps *caps, uint16_t id, uint16_t version, size_t size);

/*
 * Hand the chain out behind the INFO structure at @arg, whose length is @fixed.
 * If *@argsz leaves room, the chain is written and *@offset says where;
 * otherwise nothing is written, *@argsz grows to what is needed and *@offset is
 * 0. argsz never goes down. An empty chain changes nothing.
 * 0 or -EFAULT.
 */
int caps_put(struct caps *caps, struct file_caller *caller, unsigned long arg, uint32_t fixed,
	     uint32_t *argsz, uint32_t *offset);

/* atomics.c: the capability of GET_INFO that tells of atomic operations, if there are any. */
int atomics_add_cap(struct vdev *v, struct caps *caps);

#endif
