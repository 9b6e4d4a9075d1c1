/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trap: look the instruction up by RIP, do what it does to the device.
 *
 * An entry of the cache is good only while the bytes at RIP are those it was
 * made from, so code that is patched or generated anew is decoded anew.
 *
 * A read-modify-write is one read and one write of the device, in this order
 * and not atomic, as for a device behind a bus; a comparison only reads; a
 * failing cmpxchg writes back what it read, as the processor does. Accesses
 * have the instruction's width, except that a masked vector access becomes one
 * for each run of neighbouring bytes that it touches.
 *
 * Nothing is changed, neither in the context nor on the device, before all is
 * known to work: that the operand lies on the device to its end, that the
 * extended state is there. (A movs whose destination faults has read its
 * source, as on hardware.)
 *
 * What is large lives in the thread's block, for signal stacks are small: below
 * the handler's frame 0.9 KiB are used, 1.1 KiB to decode (measured), and what
 * the device's callbacks need.
 */
#include "interpose/mmio.h"

#include <errno.h>
#include <string.h>

#include "interpose/mmio_bus.h"
#include "interpose/mmio_thread.h"
#include "memory/fault.h"

static uint64_t decodes;

uint64_t mmio_decodes(void)
{
	return __atomic_load_n(&decodes, __ATOMIC_RELAXED);
}

/* Text in a buffer of fixed size, cut off at its end; printf is not for signal handlers. */
struct text {
	char *at;
	char *end;
};

static void text_add(struct text *text, const char *s)
{
	while (*s && text->at + 1 < text->end)
		*text->at++ = *s++;
	*text->at = '\0';
}

static void text_add_hex(struct text *text, uint64_t value)
{
	char digits[19];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	*--p = 'x';
	*--p = '0';
	text_add(text, p);
}

/*
 * Say which instruction and why: "vpgatherdd (...) at 0x401000, address
 * 0x7f0000: a gather". @avail: how many of its bytes are known.
 */
static int refuse(struct mmio_thread *self, uint64_t rip, uint64_t addr, const uint8_t *bytes,
		  size_t avail, int ret, const char *why)
{
	struct insn_decoder *dec = &self->decoder;
	struct text text = { self->refusal, self->refusal + sizeof(self->refusal) };
	char name[96] = "an unknown instruction";
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, avail, &dec->insn, dec->ops))) {
		ZydisFormatterInit(&self->formatter, ZYDIS_FORMATTER_STYLE_ATT);
		ZydisFormatterFormatInstruction(&self->formatter, &dec->insn, dec->ops,
						dec->insn.operand_count_visible, name, sizeof(name),
						rip, NULL);
	}
	text_add(&text, name);
	text_add(&text, " at ");
	text_add_hex(&text, rip);
	text_add(&text, ", address ");
	text_add_hex(&text, addr);
	text_add(&text, ": ");
	text_add(&text, why);
	return ret;
}

const char *mmio_refusal(void)
{
	struct mmio_thread *self = mmio_thread_self();

	return self ? self->refusal : "no memory for a thread's decode cache";
}

static unsigned cache_slot(uint64_t rip)
{
	return (unsigned)(rip * 0x9e3779b97f4a7c15ull >> (64 - MMIO_CACHE_BITS));
}

static bool insn_is_current(const struct insn *insn, uint64_t rip)
{
	uint8_t now[INSN_MAX_LEN];

	return insn->kind != INSN_NONE && insn->rip == rip &&
	       !fault_copy(now, (const void *)rip, insn->len) &&
	       !memcmp(now, insn->bytes, insn->len);
}

/* Decode what stands at @rip into its place in the cache. */
static int cache_fill(struct mmio_thread *self, unsigned slot, uint64_t rip, uint64_t addr)
{
	struct insn *insn = &self->cache[slot];
	struct insn_decoder *dec = &self->decoder;
	uint8_t bytes[INSN_MAX_LEN];
	size_t avail = sizeof(bytes) - fault_copy(bytes, (const void *)rip, sizeof(bytes));
	int ret;

	__atomic_fetch_add(&decodes, 1, __ATOMIC_RELAXED);
	if (!avail) {
		insn->kind = INSN_NONE;
		return refuse(self, rip, addr, bytes, 0, -EOPNOTSUPP,
			      "the program's code cannot be read");
	}
	ret = insn_decode(insn, dec, rip, bytes, avail);
	if (!ret && insn->kind == INSN_OUTLINE && !self->arena.rw) {
		ret = outline_arena_init(&self->arena, MMIO_CACHE_LEN);
		dec->why = "no executable memory to run it in";
	}
	if (!ret && insn->kind == INSN_OUTLINE)
		ret = outline_encode(insn, dec, &self->arena, slot);
	if (ret) {
		insn->kind = INSN_NONE;
		return refuse(self, rip, addr, bytes, avail, -EOPNOTSUPP, dec->why);
	}
	return 0;
}

/* How far beyond the operand's start the bit lies that a register names, in bytes. */
static int64_t bit_bytes(const struct insn *insn, const greg_t *gregs)
{
	int64_t bit;

	if (!insn->bit_reg)
		return 0;
	bit = (int64_t)insn_reg_get(gregs, insn->reg);
	if (insn->reg_size == 2)
		bit = (int16_t)bit;
	else if (insn->reg_size == 4)
		bit = (int32_t)bit;
	return (bit >> (insn->size == 8 ? 6 : insn->size == 4 ? 5 : 4)) * insn->size;
}

/* The runs of set bits in @active: the first at or after @from, its length in *len; -1 if none. */
static int next_run(uint64_t active, unsigned from, unsigned *len)
{
	unsigned first;

	if (from >= 64 || !(active >> from))
		return -1;
	first = from + (unsigned)__builtin_ctzll(active >> from);
	active = ~(active >> first);
	*len = active ? (unsigned)__builtin_ctzll(active) : 64;
	if (*len > 64 - first)
		*len = 64 - first;
	return (int)first;
}

static bool active_covered(struct mmio_bus *bus, uint64_t addr, uint64_t active)
{
	unsigned len = 0;

	for (int at = next_run(active, 0, &len); at >= 0;
	     at = next_run(active, (unsigned)at + len, &len))
		if (!mmio_bus_covers(bus, addr + (unsigned)at, len))
			return false;
	return true;
}

/* Run a copy of it, between the loads it needs and the stores it makes. */
static int execute_outline(struct mmio_thread *self, const struct insn *insn, struct mmio_bus *bus,
			   ucontext_t *uc, uint64_t ea, int64_t shift)
{
	uint8_t operand[64] __attribute__((aligned(64))) = { 0 };
	uint64_t active = outline_active(insn, uc);
	unsigned len = 0;

	if (!active_covered(bus, ea, active))
		return -EOPNOTSUPP;
	if (insn->reads)
		for (int at = next_run(active, 0, &len); at >= 0;
		     at = next_run(active, (unsigned)at + len, &len))
			mmio_bus_read(bus, ea + (unsigned)at, operand + at, len);
	outline_run(insn, &self->arena, (unsigned)(insn - self->cache), uc, operand, shift);
	if (insn->writes)
		for (int at = next_run(active, 0, &len); at >= 0;
		     at = next_run(active, (unsigned)at + len, &len))
			mmio_bus_write(bus, ea + (unsigned)at, operand + at, len);
	return 0;
}

static uint64_t sign_extend(uint64_t value, unsigned size)
{
	switch (size) {
	case 1:
		return (uint64_t)(int8_t)value;
	case 2:
		return (uint64_t)(int16_t)value;
	default:
		return (uint64_t)(int32_t)value;
	}
}

/* Moves between the device and a general register or immediate. */
static int execute_move(const struct insn *insn, struct mmio_bus *bus, greg_t *gregs, uint64_t ea)
{
	uint64_t value = 0;

	if (!mmio_bus_covers(bus, ea, insn->size))
		return -EOPNOTSUPP;
	switch (insn->kind) {
	case INSN_STORE:
		value = insn_reg_get(gregs, insn->reg) >> (insn->reg_high ? 8 : 0);
		mmio_bus_write(bus, ea, &value, insn->size);
		break;
	case INSN_STORE_IMM:
		mmio_bus_write(bus, ea, &insn->imm, insn->size);
		break;
	default:
		mmio_bus_read(bus, ea, &value, insn->size);
		if (insn->kind == INSN_LOAD_SIGNED)
			value = sign_extend(value, insn->size);
		insn_reg_put(gregs, insn->reg, insn->reg_size, insn->reg_high, value);
		break;
	}
	return 0;
}

/* An instruction with one memory operand, which must hold the faulting address. */
static int execute_operand(struct mmio_thread *self, const struct insn *insn, struct mmio_bus *bus,
			   ucontext_t *uc, uint64_t addr, const char **why)
{
	greg_t *gregs = uc->uc_mcontext.gregs;
	int64_t shift = bit_bytes(insn, gregs);
	uint64_t ea = insn_address(insn, gregs) + (uint64_t)shift;
	int ret = 0;

	if (insn->kind != INSN_HINT) {
		if (addr - ea >= insn->size) {
			*why = "its operand is elsewhere";
			return -EOPNOTSUPP;
		}
		ret = outline_check(insn, uc);
		if (ret) {
			*why = "no extended state in the signal frame";
			return ret;
		}
		*why = "its operand is only partly on the device";
		if (insn->kind == INSN_OUTLINE)
			ret = execute_outline(self, insn, bus, uc, ea, shift);
		else
			ret = execute_move(insn, bus, gregs, ea);
	}
	if (!ret)
		gregs[REG_RIP] += insn->len;
	return ret;
}

static int execute(struct mmio_thread *self, ucontext_t *uc, uint64_t addr, mmio_find_fn *find)
{
	greg_t *gregs = uc->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)gregs[REG_RIP];
	struct mmio_bus bus = { .find = find };
	unsigned slot = cache_slot(rip);
	const struct insn *insn = &self->cache[slot];
	const char *why = "no element of it lies on the device";
	int ret;

	if (!insn_is_current(insn, rip)) {
		ret = cache_fill(self, slot, rip, addr);
		if (ret)
			return ret;
	}
	switch (insn->kind) {
	case INSN_MOVS:
	case INSN_STOS:
	case INSN_LODS:
		ret = mmio_string(&bus, insn, gregs);
		break;
	case INSN_MOVDIR64B:
		ret = mmio_movdir64b(&bus, insn, gregs);
		break;
	default:
		ret = execute_operand(self, insn, &bus, uc, addr, &why);
		break;
	}
	if (ret == -EFAULT)
		why = "its other operand is not accessible";
	if (ret)
		return refuse(self, rip, addr, insn->bytes, insn->len, ret, why);
	return 0;
}

int mmio_execute(ucontext_t *uc, uintptr_t addr, mmio_find_fn *find)
{
	struct mmio_thread *self = mmio_thread_self();
	int ret;

	if (!self)
		return -EOPNOTSUPP;
	/* A callback that touches a BAR by pointer would overwrite what is in use here. */
	if (self->busy)
		return refuse(self, (uint64_t)uc->uc_mcontext.gregs[REG_RIP], addr, NULL, 0,
			      -EOPNOTSUPP, "a device model reached into a BAR by pointer");
	self->busy = true;
	ret = execute(self, uc, addr, find);
	/* Released to whoever takes the block over. */
	__atomic_store_n(&self->busy, false, __ATOMIC_RELEASE);
	return ret;
}
