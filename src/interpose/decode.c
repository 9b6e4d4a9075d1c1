/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sorting instructions: the few that compilers emit for registers of a device
 * (moves of a general register) are interpreted, as are those with two memory
 * operands, where only one may be a device's. The rest runs out of line, so
 * this file need not know what they compute, only which memory they touch.
 *
 * Refused is what touches memory that is not its visible operand (push, call,
 * maskmovdqu), many operands at once (gather, scatter), more than 64 bytes, or
 * would trap where the copy runs and not where the program does (div).
 */
#include "interpose/decode.h"

#include <errno.h>
#include <string.h>

const uint8_t insn_greg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

int insn_gpr(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
		return reg - ZYDIS_REGISTER_AH;
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg) -
		       ZYDIS_REGISTER_RAX;
	default:
		return -1;
	}
}

void insn_reg_put(greg_t *gregs, unsigned reg, unsigned size, bool high, uint64_t value)
{
	uint64_t old = insn_reg_get(gregs, reg);

	switch (size) {
	case 8:
		break;
	case 4:
		value = (uint32_t)value;
		break;
	case 2:
		value = (old & ~0xffffull) | (value & 0xffff);
		break;
	default:
		if (high)
			value = (old & ~0xff00ull) | (value & 0xff) << 8;
		else
			value = (old & ~0xffull) | (value & 0xff);
		break;
	}
	insn_reg_set(gregs, reg, value);
}

uint64_t insn_address(const struct insn *insn, const greg_t *gregs)
{
	uint64_t addr = (uint64_t)insn->disp;

	if (insn->base == INSN_RIP)
		addr += (uint64_t)gregs[REG_RIP] + insn->len;
	else if (insn->base != INSN_NO_REG)
		addr += insn_reg_get(gregs, insn->base);
	if (insn->index != INSN_NO_REG)
		addr += insn_reg_get(gregs, insn->index) * insn->scale;
	return insn->addr32 ? (uint32_t)addr : addr;
}

static int refuse(struct insn_decoder *dec, const char *why)
{
	dec->why = why;
	return -EOPNOTSUPP;
}

static bool is_string(const struct insn_decoder *dec)
{
	return dec->insn.meta.category == ZYDIS_CATEGORY_STRINGOP ||
	       dec->insn.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
}

static int decode_string(struct insn *insn, struct insn_decoder *dec)
{
	switch (dec->insn.mnemonic) {
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_MOVSW:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVSQ:
		insn->kind = INSN_MOVS;
		break;
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_STOSQ:
		insn->kind = INSN_STOS;
		break;
	case ZYDIS_MNEMONIC_LODSB:
	case ZYDIS_MNEMONIC_LODSW:
	case ZYDIS_MNEMONIC_LODSD:
	case ZYDIS_MNEMONIC_LODSQ:
		insn->kind = INSN_LODS;
		break;
	default:
		return refuse(dec, "a string comparison or port access");
	}
	if (dec->insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS ||
	    dec->insn.attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS)
		return refuse(dec, "an address relative to fs or gs");
	/* The opcode's lowest bit tells bytes from the operand size. */
	insn->size = dec->insn.opcode & 1 ? dec->insn.operand_width / 8 : 1;
	insn->rep = dec->insn.attributes &
		    (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
	return 0;
}

/* Base, index and displacement of @mem. */
static int decode_address(struct insn *insn, struct insn_decoder *dec,
			  const ZydisDecodedOperand *mem)
{
	if (mem->mem.type != ZYDIS_MEMOP_TYPE_MEM)
		return refuse(dec, "a gather, a scatter or no access at all");
	if (mem->mem.segment == ZYDIS_REGISTER_FS || mem->mem.segment == ZYDIS_REGISTER_GS)
		return refuse(dec, "an address relative to fs or gs");
	if (mem->mem.base == ZYDIS_REGISTER_RIP || mem->mem.base == ZYDIS_REGISTER_EIP)
		insn->base = INSN_RIP;
	else if (mem->mem.base != ZYDIS_REGISTER_NONE)
		insn->base = (uint8_t)insn_gpr(mem->mem.base);
	if (mem->mem.index != ZYDIS_REGISTER_NONE)
		insn->index = (uint8_t)insn_gpr(mem->mem.index);
	insn->scale = mem->mem.scale;
	insn->disp = mem->mem.disp.has_displacement ? mem->mem.disp.value : 0;
	return 0;
}

/*
 * movdir64b: the register holds the destination's address, the memory operand
 * is the source. Zydis shows the destination as memory, too.
 */
static int decode_movdir64b(struct insn *insn, struct insn_decoder *dec)
{
	const ZydisDecodedOperand *dst = &dec->ops[0];

	insn->kind = INSN_MOVDIR64B;
	insn->size = 64;
	insn->reg = (uint8_t)insn_gpr(dst->type == ZYDIS_OPERAND_TYPE_MEMORY ? dst->mem.base :
									       dst->reg.value);
	return decode_address(insn, dec, &dec->ops[1]);
}

/* The one memory operand: visible, and no other beside it. */
static const ZydisDecodedOperand *find_memory(const struct insn_decoder *dec)
{
	const ZydisDecodedOperand *mem = NULL;

	for (unsigned i = 0; i < dec->insn.operand_count; i++) {
		if (dec->ops[i].type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (mem || i >= dec->insn.operand_count_visible)
			return NULL;
		mem = &dec->ops[i];
	}
	return mem;
}

/* Loads without fault suppression read the whole operand, whatever the mask says. */
static bool suppresses_faults(const ZydisDecodedInstruction *insn)
{
	switch (insn->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_E1NF:
	case ZYDIS_EXCEPTION_CLASS_E2NF:
	case ZYDIS_EXCEPTION_CLASS_E3NF:
	case ZYDIS_EXCEPTION_CLASS_E4NF:
	case ZYDIS_EXCEPTION_CLASS_E5NF:
	case ZYDIS_EXCEPTION_CLASS_E6NF:
	case ZYDIS_EXCEPTION_CLASS_E9NF:
	case ZYDIS_EXCEPTION_CLASS_E10NF:
	case ZYDIS_EXCEPTION_CLASS_E11NF:
		return false;
	default:
		return true;
	}
}

/* vcompress*, vexpand*: the elements lie packed in memory. */
static bool is_packed(const ZydisDecodedInstruction *insn)
{
	return insn->meta.category == ZYDIS_CATEGORY_COMPRESS ||
	       insn->meta.category == ZYDIS_CATEGORY_EXPAND;
}

static int decode_mask(struct insn *insn, struct insn_decoder *dec, const ZydisDecodedOperand *mem)
{
	const ZydisDecodedInstruction *zy = &dec->insn;
	const ZydisDecodedOperand *other = mem == dec->ops ? &dec->ops[2] : dec->ops;
	bool single = zy->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPS ||
		      zy->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVD;

	switch (zy->mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
		insn->mask = INSN_MASK_SIGNS;
		insn->mask_reg = (uint8_t)ZydisRegisterGetId(dec->ops[1].reg.value);
		insn->element = single ? 4 : 8;
		insn->elements = insn->size / insn->element;
		return 0;
	default:
		break;
	}

	if (zy->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX ||
	    zy->avx.mask.mode == ZYDIS_MASK_MODE_INVALID ||
	    zy->avx.mask.mode == ZYDIS_MASK_MODE_DISABLED || zy->avx.mask.reg == ZYDIS_REGISTER_K0)
		return 0;
	/* A comparison into an opmask counts elements in the source, which is the memory. */
	if (ZydisRegisterGetClass(other->reg.value) == ZYDIS_REGCLASS_MASK)
		other = mem;
	if (insn->reads &&
	    (!suppresses_faults(zy) || zy->avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID))
		return 0;
	if (mem->element_count != 1 && other->element_count != mem->element_count &&
	    other->element_size != mem->element_size)
		return insn->writes ? refuse(dec, "a masked store of an unusual shape") : 0;
	insn->elements = (uint8_t)mem->element_count;
	insn->element = insn->size / insn->elements;
	insn->mask = is_packed(zy) ? INSN_MASK_PACKED : INSN_MASK_OPMASK;
	insn->mask_reg = (uint8_t)ZydisRegisterGetId(zy->avx.mask.reg);
	return 0;
}

/* Instructions whose copy would trap, or whose effect is not on memory alone. */
static const char *unfit(const ZydisDecodedInstruction *insn)
{
	if (insn->encoding == ZYDIS_INSTRUCTION_ENCODING_XOP ||
	    insn->encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX)
		return "an XOP or MVEX instruction";
	if (insn->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		return "a jump or call through memory";
	if (insn->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return "a privileged instruction";
	switch (insn->mnemonic) {
	case ZYDIS_MNEMONIC_DIV:
	case ZYDIS_MNEMONIC_IDIV:
		return "a division, which may trap";
	case ZYDIS_MNEMONIC_ENQCMD:
	case ZYDIS_MNEMONIC_ENQCMDS:
		return "an enqueue command";
	case ZYDIS_MNEMONIC_LDMXCSR:
	case ZYDIS_MNEMONIC_VLDMXCSR:
	case ZYDIS_MNEMONIC_XRSTOR:
	case ZYDIS_MNEMONIC_XRSTOR64:
	case ZYDIS_MNEMONIC_LDTILECFG:
	case ZYDIS_MNEMONIC_STTILECFG:
	case ZYDIS_MNEMONIC_TILELOADD:
	case ZYDIS_MNEMONIC_TILELOADDT1:
	case ZYDIS_MNEMONIC_TILESTORED:
		return "a load or store of processor state";
	default:
		return NULL;
	}
}

static bool is_move(ZydisMnemonic mnemonic)
{
	return mnemonic == ZYDIS_MNEMONIC_MOV || mnemonic == ZYDIS_MNEMONIC_MOVZX ||
	       mnemonic == ZYDIS_MNEMONIC_MOVNTI || mnemonic == ZYDIS_MNEMONIC_MOVDIRI;
}

static bool is_signed_move(ZydisMnemonic mnemonic)
{
	return mnemonic == ZYDIS_MNEMONIC_MOVSX || mnemonic == ZYDIS_MNEMONIC_MOVSXD;
}

static bool is_hint(ZydisMnemonic mnemonic)
{
	return mnemonic == ZYDIS_MNEMONIC_CLFLUSH || mnemonic == ZYDIS_MNEMONIC_CLFLUSHOPT ||
	       mnemonic == ZYDIS_MNEMONIC_CLWB || mnemonic == ZYDIS_MNEMONIC_CLDEMOTE;
}

static bool is_bit_test(ZydisMnemonic mnemonic)
{
	return mnemonic == ZYDIS_MNEMONIC_BT || mnemonic == ZYDIS_MNEMONIC_BTS ||
	       mnemonic == ZYDIS_MNEMONIC_BTR || mnemonic == ZYDIS_MNEMONIC_BTC;
}

/* How to execute it, given what it does to memory. */
static int decode_kind(struct insn *insn, struct insn_decoder *dec, const ZydisDecodedOperand *mem)
{
	const ZydisDecodedOperand *other = mem == dec->ops ? &dec->ops[1] : dec->ops;
	ZydisMnemonic mnemonic = dec->insn.mnemonic;
	int gpr = -1;

	insn->kind = INSN_OUTLINE;
	if (dec->insn.operand_count_visible > 1 && other->type == ZYDIS_OPERAND_TYPE_REGISTER)
		gpr = insn_gpr(other->reg.value);
	if (gpr >= 0) {
		insn->reg = (uint8_t)gpr;
		insn->reg_size = (uint8_t)(other->size / 8);
		insn->reg_high = other->reg.value >= ZYDIS_REGISTER_AH &&
				 other->reg.value <= ZYDIS_REGISTER_BH;
		insn->bit_reg = is_bit_test(mnemonic);
		if (is_move(mnemonic))
			insn->kind = insn->writes ? INSN_STORE : INSN_LOAD;
		else if (is_signed_move(mnemonic))
			insn->kind = INSN_LOAD_SIGNED;
	} else if (mnemonic == ZYDIS_MNEMONIC_MOV) {
		if (other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			insn->kind = INSN_STORE_IMM;
			insn->imm = other->imm.value.u;
		} else if (insn->reads) {
			return refuse(dec, "a load of a segment register");
		}
	}
	return 0;
}

static int decode_operand(struct insn *insn, struct insn_decoder *dec)
{
	const ZydisDecodedOperand *mem = find_memory(dec);
	const char *why = unfit(&dec->insn);
	int ret;

	if (why)
		return refuse(dec, why);
	if (!mem)
		return refuse(dec, "an operand on the stack, or none in memory");
	ret = decode_address(insn, dec, mem);
	if (ret)
		return ret;
	if (is_hint(dec->insn.mnemonic)) {
		insn->kind = INSN_HINT;
		return 0;
	}
	if (mem->size < 8 || mem->size > 512)
		return refuse(dec, "an operand of more than 64 bytes");
	insn->size = (uint8_t)(mem->size / 8);
	insn->reads = mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
	insn->writes = mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
	if (!insn->reads && !insn->writes)
		return refuse(dec, "no load and no store");
	ret = decode_mask(insn, dec, mem);
	if (ret)
		return ret;
	return decode_kind(insn, dec, mem);
}

int insn_decode(struct insn *insn, struct insn_decoder *dec, uint64_t rip, const uint8_t *bytes,
		size_t avail)
{
	ZydisDecoder decoder;

	memset(insn, 0, sizeof(*insn));
	insn->rip = rip;
	insn->base = insn->index = insn->rsp_as = INSN_NO_REG;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	/* Zydis leaves what it does not use as it was. */
	memset(dec->ops, 0, sizeof(dec->ops));
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, avail, &dec->insn, dec->ops))) {
		memset(&dec->insn, 0, sizeof(dec->insn));
		return refuse(dec, "no instruction that is known");
	}
	insn->len = dec->insn.length;
	memcpy(insn->bytes, bytes, insn->len);
	insn->addr32 = dec->insn.address_width == 32;

	if (is_string(dec))
		return decode_string(insn, dec);
	if (dec->insn.mnemonic == ZYDIS_MNEMONIC_MOVDIR64B)
		return decode_movdir64b(insn, dec);
	return decode_operand(insn, dec);
}
