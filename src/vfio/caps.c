/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See caps.h.
 */
#include "vfio/caps.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "memory/owner.h"
#include "vfio/abi.h"

void *caps_add(struct caps *caps, uint16_t id, uint16_t version, size_t size)
{
	size_t padded = (size + 7) & ~(size_t)7;
	struct vfio_info_cap_header *header, *last;

	if (padded > CAPS_MAX - caps->size)
		return NULL;
	header = (void *)(caps->buf + caps->size);
	memset(header, 0, padded);
	header->id = id;
	header->version = version;
	if (caps->size) {
		last = (void *)(caps->buf + caps->last);
		last->next = caps->size;
	}
	caps->last = caps->size;
	caps->size += (uint32_t)padded;
	return header;
}

static void caps_shift(struct caps *caps, uint32_t by)
{
	struct vfio_info_cap_header *header = (void *)caps->buf;

	while (header->next) {
		uint32_t next = header->next;

		header->next += by;
		header = (void *)(caps->buf + next);
	}
}

int caps_put(struct caps *caps, struct file_caller *caller, unsigned long arg, uint32_t fixed,
	     uint32_t *argsz, uint32_t *offset)
{
	if (!caps->size)
		return 0;
	*offset = 0;
	if (*argsz < fixed + caps->size) {
		*argsz = fixed + caps->size;
		return 0;
	}
	caps_shift(caps, fixed);
	if (owner_write(caller->owner, arg + fixed, caps->buf, caps->size))
		return -EFAULT;
	*offset = fixed;
	return 0;
}
