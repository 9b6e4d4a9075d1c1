/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forms of instructions with a memory operand, for the differential test.
 */
#ifndef RF_TESTS_MMIO_FORMS_H
#define RF_TESTS_MMIO_FORMS_H

#include <Zydis/Zydis.h>

enum form_flags {
	FORM_LOCKS = 1, /* may carry a lock prefix */
	FORM_ALIGNED = 2, /* its operand must be aligned */
	FORM_BITS = 4, /* the register is a bit offset */
	FORM_REPLACES = 8, /* the register operand is only written */
	FORM_ZEROES = 16, /* may zero what the mask leaves out */
};

/**
 * struct form - a mnemonic with its operands
 * @operands: a letter each: M memory, R general register, I immediate, C cl,
 *	m MMX, X Y xmm/ymm 0-15, 4 ymm encoded in an immediate, x y xmm/ymm 0-31, Z zmm 0-31, K k0, k k1-k7
 * @sizes: a bit for each operand size in bytes, 0 if the form has but one
 * @mem: bytes of the memory operand, 0 if it is the operand size
 * @imm: immediates are below this; 0: below 128
 * @implicit: bit set of general registers used beside the operands
 */
struct form {
	ZydisMnemonic mnemonic;
	const char *operands;
	unsigned sizes, mem, flags, imm, implicit;
};

extern const struct form forms[];
extern const unsigned form_count;

#endif
