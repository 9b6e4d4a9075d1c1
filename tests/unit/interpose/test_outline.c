/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies for out-of-line execution, from random bytes: whatever is accepted
 * must, decoded again, be the same instruction on [scratch]. Nothing is run.
 *
 * test_interpose_outline [rounds [seed]]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "interpose/outline.h"
#include "mmio_rig.h"

static unsigned long rounds = 300000;
static uint64_t state = 2463534242;

/* Random bytes, more often than not with the look of an instruction on memory. */
static void random_bytes(uint8_t *bytes)
{
	static const uint8_t starts[] = { 0x62, 0xc4, 0xc5, 0x0f, 0x66, 0xf2, 0xf3,
					  0xf0, 0x67, 0x48, 0x4f, 0x41, 0x64, 0x2e };
	uint64_t a = rig_random(&state), b = rig_random(&state), c = rig_random(&state);

	memcpy(bytes, &a, 8);
	memcpy(bytes + 8, &b, 8);
	for (unsigned i = 0; i < (c & 3); i++)
		bytes[i] = starts[(c >> (8 + 8 * i)) % sizeof(starts)];
	if (bytes[0] == 0x62 &&
	    (c >> 40 & 3)) { /* a valid EVEX prefix is rare among random bytes */
		bytes[1] = (bytes[1] & 0xf0) | (1 + (c >> 42) % 3);
		bytes[2] |= 0x04;
	}
}

static void check_operand(const struct insn *insn, const ZydisDecodedOperand *was,
			  const ZydisDecodedOperand *is)
{
	assert_int_equal(is->type, was->type);
	assert_int_equal(is->size, was->size);
	assert_int_equal(is->actions, was->actions);
	switch (is->type) {
	case ZYDIS_OPERAND_TYPE_MEMORY:
		assert_int_equal(is->mem.type, ZYDIS_MEMOP_TYPE_MEM);
		assert_int_equal(is->mem.base, ZYDIS_REGISTER_RAX + insn->scratch);
		assert_int_equal(is->mem.index, ZYDIS_REGISTER_NONE);
		assert_int_equal(is->mem.segment, ZYDIS_REGISTER_DS);
		assert_false(is->mem.disp.has_displacement && is->mem.disp.value);
		break;
	case ZYDIS_OPERAND_TYPE_REGISTER:
		assert_int_not_equal(insn_gpr(is->reg.value), insn->scratch);
		assert_int_not_equal(insn_gpr(is->reg.value), INSN_RSP);
		if (insn_gpr(was->reg.value) == INSN_RSP)
			assert_int_equal(insn_gpr(is->reg.value), insn->rsp_as);
		else
			assert_int_equal(is->reg.value, was->reg.value);
		break;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		assert_int_equal(is->imm.value.u, was->imm.value.u);
		break;
	default:
		fail();
	}
}

static void check_copy(const struct insn *insn, const struct insn_decoder *was, const uint8_t *stub)
{
	static struct insn_decoder is;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	assert_true(ZYAN_SUCCESS(
		ZydisDecoderDecodeFull(&decoder, stub, INSN_MAX_LEN + 1, &is.insn, is.ops)));
	assert_int_equal(is.insn.mnemonic, was->insn.mnemonic);
	assert_int_equal(is.insn.operand_width, was->insn.operand_width);
	assert_int_equal(is.insn.address_width, 64);
	assert_int_equal(is.insn.avx.vector_length, was->insn.avx.vector_length);
	assert_int_equal(is.insn.avx.mask.reg, was->insn.avx.mask.reg);
	assert_int_equal(is.insn.avx.mask.mode, was->insn.avx.mask.mode);
	assert_int_equal(is.insn.avx.broadcast.mode, was->insn.avx.broadcast.mode);
	assert_int_equal(is.insn.operand_count, was->insn.operand_count);
	assert_true(is.insn.length <= INSN_MAX_LEN && stub[is.insn.length] == 0xc3);
	for (unsigned i = 0; i < is.insn.operand_count; i++)
		check_operand(insn, &was->ops[i], &is.ops[i]);
}

static void a_copy_is_the_same_instruction_elsewhere(void **unused)
{
	static uint8_t stub[OUTLINE_STUB_SIZE];
	struct outline_arena arena = { .rw = stub, .rx = stub };
	static struct insn_decoder dec;
	unsigned long copies = 0, accepted = 0;

	for (unsigned long i = 0; i < rounds; i++) {
		struct insn insn;
		uint8_t bytes[16];

		random_bytes(bytes);
		if (insn_decode(&insn, &dec, 0x1000, bytes, 1 + i % INSN_MAX_LEN))
			continue;
		accepted++;
		assert_in_range(insn.len, 1, INSN_MAX_LEN);
		if (insn.kind != INSN_HINT)
			assert_in_range(insn.size, 1, 64);
		if (insn.mask != INSN_MASK_NONE)
			assert_in_range(insn.element * insn.elements, 1, insn.size);
		if (insn.kind != INSN_OUTLINE)
			continue;
		memset(stub, 0xcc, sizeof(stub));
		if (outline_encode(&insn, &dec, &arena, 0))
			continue;
		assert_int_equal(insn.xstore & ~insn.xload, 0);
		check_copy(&insn, &dec, stub);
		copies++;
	}
	print_message("# %lu rounds: %lu accepted, %lu copies\n", rounds, accepted, copies);
	assert_true(copies > rounds / 100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_the_same_instruction_elsewhere),
	};

	rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : rounds;
	state = argc > 2 ? strtoull(argv[2], NULL, 0) : state;
	printf("# seed %llu\n", (unsigned long long)state);
	return cmocka_run_group_tests_name("outline", tests, NULL, NULL);
}
