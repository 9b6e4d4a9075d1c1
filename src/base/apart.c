/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places are handed out upwards and once: what is unmapped leaves its place empty,
 * until the part is used up and begins anew. A child goes on where its parent was.
 *
 * The part lies between the addresses that programs ask for by habit (below 1 TiB)
 * and those that the kernel gives from the top and to executables; AddressSanitizer's
 * shadow ends below it.
 */
#include "base/apart.h"

#include <stdatomic.h>
#include <stdint.h>

#include "base/sys.h"

#define PART_START 0x200000000000u
#define PART_SIZE  0x200000000000u
#define PAGE	   (uint64_t)4096
#define HUGE_2M	   (uint64_t)(2u << 20)

/* ThreadSanitizer knows by an address what lies there, and leaves this part to nobody. */
#ifdef __SANITIZE_THREAD__
#define TOLD_PLACES 0
#else
#define TOLD_PLACES 1
#endif

static _Atomic uint64_t handed_out;

/* Neighbours touch, so that the kernel may keep them as one mapping. */
static void *place_for(size_t len)
{
	uint64_t align = len >= HUGE_2M ? HUGE_2M : PAGE;
	uint64_t offset;

	if (!TOLD_PLACES || len > PART_SIZE / 2)
		return NULL;
	len = (len + PAGE - 1) & -(uint64_t)PAGE;
	offset = atomic_fetch_add_explicit(&handed_out, len + align - PAGE, memory_order_relaxed);
	offset %= PART_SIZE / 2;
	return (void *)(PART_START + ((offset + align - 1) & -align));
}

void *apart_mmap(size_t len, int prot, int flags, int fd, off_t off)
{
	return sys_mmap(place_for(len), len, prot, flags, fd, off);
}
