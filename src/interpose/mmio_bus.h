/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The accesses of one instruction: which addresses are a device's, and the
 * loads and stores there. An access over the end of a piece is split.
 *
 * What find said is remembered while the instruction lasts: a string of
 * elements asks about the same places again and again. Pieces are mappings, so
 * an address that is no device's speaks for its page.
 */
#ifndef RF_INTERPOSE_MMIO_BUS_H
#define RF_INTERPOSE_MMIO_BUS_H

#include "interpose/decode.h"
#include "interpose/mmio.h"

/**
 * struct mmio_bus - one instruction's view of the devices
 * @find: where to ask
 * @last: the piece found last; no bytes: none yet
 * @memory: number of a page that is no device's, plus one; 0: none yet
 */
struct mmio_bus {
	mmio_find_fn *find;
	struct mmio_target last;
	uint64_t memory;
};

/* Whether @addr is a device's; then @bus->last holds it. */
bool mmio_bus_at(struct mmio_bus *bus, uint64_t addr);
/* Whether each of @size bytes at @addr is. */
bool mmio_bus_covers(struct mmio_bus *bus, uint64_t addr, unsigned size);
/* What is unmapped meanwhile reads as all ones and swallows stores, as an absent device does. */
void mmio_bus_read(struct mmio_bus *bus, uint64_t addr, void *buf, unsigned size);
void mmio_bus_write(struct mmio_bus *bus, uint64_t addr, const void *buf, unsigned size);

/*
 * movs, stos, lods: as many elements as lie on the device. 0 with the
 * registers brought forward, or -EOPNOTSUPP or -EFAULT with nothing changed.
 */
int mmio_string(struct mmio_bus *bus, const struct insn *insn, greg_t *gregs);
/* Likewise the 64 bytes of movdir64b. */
int mmio_movdir64b(struct mmio_bus *bus, const struct insn *insn, greg_t *gregs);

#endif
