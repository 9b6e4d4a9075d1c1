/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an instruction does to memory, in 64 bytes: Zydis' answer, boiled down
 * to what the MMIO trap needs to execute it, so that it can be cached.
 *
 * Registers are numbered as the processor encodes them: rax rcx rdx rbx rsp
 * rbp rsi rdi r8 to r15.
 */
#ifndef RF_INTERPOSE_DECODE_H
#define RF_INTERPOSE_DECODE_H

#include <Zydis/Zydis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#define INSN_MAX_LEN 15 /* the processor's limit */

enum insn_reg { INSN_RSP = 4, INSN_RIP = 0xfe, INSN_NO_REG = 0xff };

enum insn_kind {
	INSN_NONE, /* an empty cache entry */
	INSN_LOAD, /* general register = zero-extended memory */
	INSN_LOAD_SIGNED,
	INSN_STORE,
	INSN_STORE_IMM,
	INSN_MOVS,
	INSN_STOS,
	INSN_LODS,
	INSN_MOVDIR64B,
	INSN_HINT, /* a cache hint: no effect on a device */
	INSN_OUTLINE, /* everything else: run a copy of it, see outline.h */
};

/* Which bytes of the operand a masked vector instruction touches. */
enum insn_mask {
	INSN_MASK_NONE, /* all */
	INSN_MASK_OPMASK, /* elements with their bit set in an opmask register */
	INSN_MASK_PACKED, /* as many elements, from the first on, as bits are set */
	INSN_MASK_SIGNS, /* elements whose sign bit is set in a vector register */
};

/**
 * struct insn - one decoded instruction
 * @rip, @bytes, @len: where it stood and what it was; the key of the cache
 * @kind: an enum insn_kind
 * @size: bytes of the memory operand, or of one element of a string
 * @base, @index, @scale, @disp: its address
 * @addr32: addresses, and the counter of a string, are truncated to 32 bits
 * @rep: a repeated string instruction
 * @reads, @writes: what it does to the operand
 * @reg: general register operand; of movdir64b, the one with the destination
 * @reg_size: its bytes
 * @reg_high: it is ah, ch, dh or bh
 * @bit_reg: a general register holds a bit offset that moves the operand
 * @imm: the value of INSN_STORE_IMM
 * @mask, @mask_reg, @element, @elements: see enum insn_mask; @element in bytes
 * @scratch: (out of line) register that addresses the operand instead
 * @rsp_as: (out of line) register that stands for rsp, or INSN_NO_REG
 * @xload: (out of line) state components that it needs loaded
 * @xstore: (out of line) components to be stored afterwards; a subset of @xload
 */
struct insn {
	uint64_t rip;
	int64_t disp;
	uint64_t imm;
	uint8_t bytes[INSN_MAX_LEN];
	uint8_t len;
	uint8_t kind;
	uint8_t size;
	uint8_t base, index, scale;
	uint8_t reg, reg_size;
	uint8_t mask, mask_reg, element, elements;
	uint8_t scratch, rsp_as;
	uint8_t xload, xstore;
	bool addr32 : 1;
	bool rep : 1;
	bool reads : 1;
	bool writes : 1;
	bool reg_high : 1;
	bool bit_reg : 1;
} __attribute__((aligned(64)));

/*
 * Scratch of the decoder: about 2 KiB, which do not belong on a signal stack.
 * After a refusal @why says what was wrong.
 */
struct insn_decoder {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	const char *why;
};

/*
 * Decode the instruction at the start of @bytes (@avail of them), which stands
 * at @rip. 0, or -EOPNOTSUPP with @dec->why set; @insn is then undefined. For
 * INSN_OUTLINE, outline_encode() has to follow. Async-signal-safe.
 */
int insn_decode(struct insn *insn, struct insn_decoder *dec, uint64_t rip, const uint8_t *bytes,
		size_t avail);

/* The general register's number, or -1 if it is of another kind. */
int insn_gpr(ZydisRegister reg);

/* The saved registers by number. */
extern const uint8_t insn_greg[16];

static inline uint64_t insn_reg_get(const greg_t *gregs, unsigned reg)
{
	return (uint64_t)gregs[insn_greg[reg]];
}

static inline void insn_reg_set(greg_t *gregs, unsigned reg, uint64_t value)
{
	gregs[insn_greg[reg]] = (greg_t)value;
}

/* Write @size bytes of a register as the processor does: 4 clear the upper half. */
void insn_reg_put(greg_t *gregs, unsigned reg, unsigned size, bool high, uint64_t value);

/* Address of the memory operand; of a bit string, where its bits are counted from. */
uint64_t insn_address(const struct insn *insn, const greg_t *gregs);

#endif
