/* SPDX-License-Identifier: BSD-3-Clause */
#include "interpose/mmio_bus.h"

#include <string.h>

#define PAGE_SHIFT 12

bool mmio_bus_at(struct mmio_bus *bus, uint64_t addr)
{
	uint64_t page = (addr >> PAGE_SHIFT) + 1;
	struct mmio_target found;

	if (addr - bus->last.base < bus->last.len)
		return true;
	if (page == bus->memory)
		return false;
	if (bus->find(addr, &found)) {
		bus->last = found;
		return true;
	}
	bus->memory = page;
	return false;
}

/* Bytes of [addr, addr + size) in the piece that holds @addr; 0 if none does. */
static unsigned bus_piece(struct mmio_bus *bus, uint64_t addr, unsigned size)
{
	uint64_t left;

	if (!mmio_bus_at(bus, addr))
		return 0;
	left = bus->last.base + bus->last.len - addr;
	return left < size ? (unsigned)left : size;
}

bool mmio_bus_covers(struct mmio_bus *bus, uint64_t addr, unsigned size)
{
	while (size) {
		unsigned part = bus_piece(bus, addr, size);

		if (!part)
			return false;
		addr += part;
		size -= part;
	}
	return true;
}

void mmio_bus_read(struct mmio_bus *bus, uint64_t addr, void *buf, unsigned size)
{
	char *to = buf;

	while (size) {
		unsigned part = bus_piece(bus, addr, size);

		if (!part) {
			memset(to, 0xff, size);
			return;
		}
		bus->last.read(bus->last.opaque, addr - bus->last.base, to, part);
		to += part;
		addr += part;
		size -= part;
	}
}

void mmio_bus_write(struct mmio_bus *bus, uint64_t addr, const void *buf, unsigned size)
{
	const char *from = buf;

	while (size) {
		unsigned part = bus_piece(bus, addr, size);

		if (!part)
			return;
		bus->last.write(bus->last.opaque, addr - bus->last.base, from, part);
		from += part;
		addr += part;
		size -= part;
	}
}
