/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Instructions with memory on both sides. Each side may be the device's or the
 * program's; the program's is reached by fault-safe copies, since a fault in
 * the handler would recurse.
 *
 * A repeated instruction is restartable after each element, as on hardware:
 * when both sides have left the device, or the program's side faults, the
 * registers tell how far it came and the processor goes on by itself.
 */
#include <errno.h>

#include "interpose/mmio_bus.h"
#include "memory/fault.h"

static int side_read(struct mmio_bus *bus, uint64_t addr, void *buf, unsigned size)
{
	if (!mmio_bus_at(bus, addr))
		return fault_copy(buf, (const void *)addr, size) ? -EFAULT : 0;
	if (!mmio_bus_covers(bus, addr, size))
		return -EOPNOTSUPP;
	mmio_bus_read(bus, addr, buf, size);
	return 0;
}

static int side_write(struct mmio_bus *bus, uint64_t addr, const void *buf, unsigned size)
{
	if (!mmio_bus_at(bus, addr))
		return fault_copy((void *)addr, buf, size) ? -EFAULT : 0;
	if (!mmio_bus_covers(bus, addr, size))
		return -EOPNOTSUPP;
	mmio_bus_write(bus, addr, buf, size);
	return 0;
}

/* A string instruction under way; @from and @to unused where it has no such side. */
struct string {
	const struct insn *insn;
	uint64_t from, to, count;
	uint64_t step;
};

static uint64_t string_addr(const struct insn *insn, uint64_t reg)
{
	return insn->addr32 ? (uint32_t)reg : reg;
}

static bool string_on_device(struct mmio_bus *bus, const struct string *str)
{
	return (str->insn->kind != INSN_STOS &&
		mmio_bus_at(bus, string_addr(str->insn, str->from))) ||
	       (str->insn->kind != INSN_LODS && mmio_bus_at(bus, string_addr(str->insn, str->to)));
}

static int string_element(struct mmio_bus *bus, struct string *str, greg_t *gregs)
{
	const struct insn *insn = str->insn;
	uint64_t value = (uint64_t)gregs[REG_RAX];
	int ret = 0;

	if (insn->kind != INSN_STOS)
		ret = side_read(bus, string_addr(insn, str->from), &value, insn->size);
	if (!ret && insn->kind != INSN_LODS)
		ret = side_write(bus, string_addr(insn, str->to), &value, insn->size);
	if (ret)
		return ret;
	if (insn->kind == INSN_LODS)
		insn_reg_put(gregs, 0, insn->size, false, value);
	if (insn->kind != INSN_STOS)
		str->from += str->step;
	if (insn->kind != INSN_LODS)
		str->to += str->step;
	str->count--;
	return 0;
}

int mmio_string(struct mmio_bus *bus, const struct insn *insn, greg_t *gregs)
{
	bool down = gregs[REG_EFL] & 0x400;
	struct string str = {
		.insn = insn,
		.from = (uint64_t)gregs[REG_RSI],
		.to = (uint64_t)gregs[REG_RDI],
		.count = insn->rep ? string_addr(insn, (uint64_t)gregs[REG_RCX]) : 1,
		.step = down ? -(uint64_t)insn->size : insn->size,
	};
	bool moved = false;
	int ret = -EOPNOTSUPP;

	while (str.count && string_on_device(bus, &str)) {
		ret = string_element(bus, &str, gregs);
		if (ret)
			break;
		moved = true;
	}
	if (!moved)
		return ret;
	if (insn->kind != INSN_STOS)
		gregs[REG_RSI] = (greg_t)string_addr(insn, str.from);
	if (insn->kind != INSN_LODS)
		gregs[REG_RDI] = (greg_t)string_addr(insn, str.to);
	if (insn->rep)
		gregs[REG_RCX] = (greg_t)str.count;
	if (!str.count)
		gregs[REG_RIP] += insn->len;
	return 0;
}

int mmio_movdir64b(struct mmio_bus *bus, const struct insn *insn, greg_t *gregs)
{
	uint64_t to = string_addr(insn, insn_reg_get(gregs, insn->reg));
	uint64_t from = insn_address(insn, gregs);
	char buf[64] __attribute__((aligned(64)));
	int ret;

	if (!mmio_bus_at(bus, to) && !mmio_bus_at(bus, from))
		return -EOPNOTSUPP;
	ret = side_read(bus, from, buf, sizeof(buf));
	if (!ret)
		ret = side_write(bus, to, buf, sizeof(buf));
	if (!ret)
		gregs[REG_RIP] += insn->len;
	return ret;
}
