/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O address spaces: what a device's DMA addresses mean.
 *
 * An address space maps ranges of IOVA to an owner's memory. Devices are
 * attached to it (rf_group_attach()); from then on each of their DMAs is
 * translated through it. When rf_ioas_unmap() returns, no device can touch
 * the memory any more.
 *
 * Every function may be called from any thread, but not from a device
 * model's callback.
 */
#ifndef RINGFENCE_IOAS_H
#define RINGFENCE_IOAS_H

#include <ringfence/types.h>

#define RF_MAP_FIXED (1u << 0) /* map at *iova; without it the space chooses */

#define RF_UNMAP_ALL (1u << 0) /* everything; iova and length must be 0 */

/**
 * rf_owner_self() - the memory of this process
 *
 * Lives as long as the machine; needs no release.
 */
RF_API struct rf_owner *rf_owner_self(struct rf_machine *machine);

/**
 * rf_ioas_new() - make an empty I/O address space
 * @machine: the machine
 * @flags: 0
 * @ioas: filled with the space
 *
 * Return: 0; -EINVAL for unknown flags; -ENOMEM.
 */
RF_API int rf_ioas_new(struct rf_machine *machine, uint32_t flags, struct rf_ioas **ioas);

/**
 * rf_ioas_free() - drop the caller's reference
 *
 * Everything in it is unmapped at once. Devices still attached lose their
 * mappings, and the space itself goes when they are detached. Never fails.
 */
RF_API void rf_ioas_free(struct rf_ioas *ioas);

/**
 * rf_ioas_map() - let devices reach memory
 * @ioas: the address space
 * @owner: whose memory
 * @addr: its first byte, in the owner's address space; a multiple of 4096
 * @length: bytes, a multiple of 4096, not 0
 * @prot: RF_READ, RF_WRITE or both
 * @flags: RF_MAP_FIXED to map at *@iova
 * @iova: first IOVA; read with RF_MAP_FIXED, filled otherwise
 *
 * Return: 0; -EINVAL for misaligned or wrapping arguments, unknown flags or a
 * range outside what the attached IOMMUs can address; -EEXIST where something
 * is mapped already; -EFAULT when the memory is not there or lacks the right;
 * -ENOSPC when no hole is large enough; -ENOMEM.
 */
RF_API int rf_ioas_map(struct rf_ioas *ioas, struct rf_owner *owner, void *addr, uint64_t length,
		       uint32_t prot, uint32_t flags, uint64_t *iova);

/**
 * rf_ioas_unmap() - end mappings
 * @ioas: the address space
 * @iova: first IOVA
 * @length: bytes
 * @flags: RF_UNMAP_ALL, or 0
 * @unmapped: filled with the bytes unmapped; may be NULL
 *
 * Only whole mappings: a range that would split one fails and changes nothing.
 *
 * Return: 0; -EINVAL for a wrapping range or unknown flags; -ENOENT where
 * nothing is mapped or a mapping would be split.
 */
RF_API int rf_ioas_unmap(struct rf_ioas *ioas, uint64_t iova, uint64_t length, uint32_t flags,
			 uint64_t *unmapped);

/**
 * rf_ioas_translate() - where one IOVA leads
 * @ioas: the address space; at least one device must be attached
 * @iova: the IOVA
 * @prot: the rights wanted
 * @addr: filled with the address in the owner's address space
 * @length: filled with the bytes that follow contiguously; may be NULL
 *
 * A look, not a hold: the answer may be old by the time it is used.
 *
 * Return: 0; -EFAULT for no such mapping or a right it lacks; -ENODEV when no
 * device is attached.
 */
RF_API int rf_ioas_translate(struct rf_ioas *ioas, uint64_t iova, uint32_t prot, uintptr_t *addr,
			     uint64_t *length);

#endif
