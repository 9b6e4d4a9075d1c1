/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copy differs from the original in its address only: prefixes that concern
 * the address are dropped, ModRM becomes [scratch] without SIB and
 * displacement, and the extension bits of base and index are cleared. Opcode,
 * prefixes, vector length, mask and immediate stay as they were, so it does to
 * the buffer what the original would do to memory.
 *
 * The scratch register is one of the low six that the instruction does not
 * use; it keeps the program's value. rsp as data is renamed to another of
 * these, for the copy runs on the handler's stack.
 *
 * Vector, mask and x87 registers are loaded straight from the signal frame and
 * stored back to it: it is an XSAVE area in the standard format, in which a
 * component whose bit in XSTATE_BV is clear has its initial value. Afterwards
 * the handler's own state is initial again, as the kernel gave it.
 *
 * An unmasked floating-point exception would be raised in the copy; nobody
 * computes on registers of a device with exceptions enabled.
 */
#include "interpose/outline.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/sys.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* CF, PF, AF, ZF, SF, OF: what instructions compute. Bit 1 is always set. */
#define FLAGS_STATUS 0x8d5u
#define FLAGS_FIXED  0x002u

/* The signal frame's floating-point part; see XSAVE in the processor's manual. */
#define FRAME_XMM	 160
#define FRAME_MAGIC	 464 /* FP_XSTATE_MAGIC1 if what follows is valid */
#define FRAME_XFEATURES	 472
#define FRAME_XSTATE_BV	 512
#define FRAME_MAGIC1	 0x46505853u
#define XSAVE_LEGACY_LEN 576

/* Known to the assembly below by offset. */
struct outline_call {
	uint64_t gpr[16];
	uint64_t flags;
	const void *stub;
	void *xstate;
	uint64_t xload;
	uint64_t xstore;
};

_Static_assert(offsetof(struct outline_call, flags) == 128, "see outline_enter");
_Static_assert(offsetof(struct outline_call, xstate) == 144, "see outline_enter");
_Static_assert(offsetof(struct outline_call, xstore) == 160, "see outline_enter");

void outline_enter(struct outline_call *call) __attribute__((visibility("hidden")));

/* The state a signal handler starts with: all initial, MXCSR 0x1f80. */
__attribute__((visibility("hidden"), used, aligned(64)))
const uint8_t outline_initial[XSAVE_LEGACY_LEN] = { [24] = 0x80, [25] = 0x1f };

__asm__(".text\n"
	"	.globl outline_enter\n"
	"	.hidden outline_enter\n"
	"	.type outline_enter, @function\n"
	"	.p2align 4\n"
	"outline_enter:\n"
	"	push %rbx\n"
	"	push %rbp\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	push %rdi\n"
	"	mov 152(%rdi), %eax\n" /* xload */
	"	test %eax, %eax\n"
	"	jz 1f\n"
	"	xor %edx, %edx\n"
	"	mov 144(%rdi), %rcx\n"
	"	xrstor64 (%rcx)\n"
	"1:	pushq 128(%rdi)\n"
	"	popfq\n"
	/* From here to pushfq nothing may touch the flags. */
	"	mov 0(%rdi), %rax\n"
	"	mov 8(%rdi), %rcx\n"
	"	mov 16(%rdi), %rdx\n"
	"	mov 24(%rdi), %rbx\n"
	"	mov 40(%rdi), %rbp\n"
	"	mov 48(%rdi), %rsi\n"
	"	mov 64(%rdi), %r8\n"
	"	mov 72(%rdi), %r9\n"
	"	mov 80(%rdi), %r10\n"
	"	mov 88(%rdi), %r11\n"
	"	mov 96(%rdi), %r12\n"
	"	mov 104(%rdi), %r13\n"
	"	mov 112(%rdi), %r14\n"
	"	mov 120(%rdi), %r15\n"
	"	pushq 136(%rdi)\n" /* the stub at 0(%rsp), the call at 8(%rsp) */
	"	mov 56(%rdi), %rdi\n"
	"	call *(%rsp)\n"
	"	xchg %rdi, 8(%rsp)\n"
	"	mov %rax, 0(%rdi)\n"
	"	mov %rcx, 8(%rdi)\n"
	"	mov %rdx, 16(%rdi)\n"
	"	mov %rbx, 24(%rdi)\n"
	"	mov %rbp, 40(%rdi)\n"
	"	mov %rsi, 48(%rdi)\n"
	"	mov %r8, 64(%rdi)\n"
	"	mov %r9, 72(%rdi)\n"
	"	mov %r10, 80(%rdi)\n"
	"	mov %r11, 88(%rdi)\n"
	"	mov %r12, 96(%rdi)\n"
	"	mov %r13, 104(%rdi)\n"
	"	mov %r14, 112(%rdi)\n"
	"	mov %r15, 120(%rdi)\n"
	"	mov 8(%rsp), %rax\n"
	"	mov %rax, 56(%rdi)\n"
	"	pushfq\n"
	"	popq 128(%rdi)\n"
	"	xor %edx, %edx\n"
	"	mov 160(%rdi), %eax\n" /* xstore */
	"	test %eax, %eax\n"
	"	jz 2f\n"
	"	mov 144(%rdi), %rcx\n"
	"	xsave64 (%rcx)\n"
	"2:	mov 152(%rdi), %eax\n" /* xload */
	"	test %eax, %eax\n"
	"	jz 3f\n"
	"	xrstor64 outline_initial(%rip)\n"
	"3:	add $16, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbp\n"
	"	pop %rbx\n"
	"	ret\n"
	"	.size outline_enter, . - outline_enter\n");

int outline_arena_init(struct outline_arena *arena, unsigned count)
{
	size_t len = (size_t)count * OUTLINE_STUB_SIZE;
	void *rw, *rx;
	int saved = errno;
	int ret, fd;

	/* MFD_EXEC is newer than the kernels we run on. */
	fd = (int)syscall(SYS_memfd_create, "ringfence-outline", MFD_CLOEXEC | MFD_EXEC);
	if (fd < 0)
		fd = (int)syscall(SYS_memfd_create, "ringfence-outline", MFD_CLOEXEC);
	if (fd < 0 || syscall(SYS_ftruncate, fd, len) < 0) {
		ret = -errno;
		goto close;
	}
	rw = apart_mmap(len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (sys_failed(rw)) {
		ret = sys_error(rw);
		goto close;
	}
	rx = apart_mmap(len, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	if (sys_failed(rx)) {
		ret = sys_error(rx);
		goto unmap;
	}
	/* Shared with a child it would be written by both. */
	syscall(SYS_madvise, rw, len, MADV_DONTFORK);
	syscall(SYS_madvise, rx, len, MADV_DONTFORK);
	arena->rw = rw;
	arena->rx = rx;
	ret = 0;
	goto close;
unmap:
	sys_munmap(rw, len);
close:
	if (fd >= 0)
		sys_close(fd);
	errno = saved;
	return ret;
}

static int refuse(struct insn_decoder *dec, const char *why)
{
	dec->why = why;
	return -EOPNOTSUPP;
}

/* The components in which a register lies; -1 for one that cannot be handled. */
static int components(ZydisRegister reg)
{
	bool high = ZydisRegisterGetId(reg) >= 16;

	switch (reg) {
	case ZYDIS_REGISTER_MXCSR:
		return OUTLINE_SSE;
	case ZYDIS_REGISTER_X87CONTROL:
	case ZYDIS_REGISTER_X87STATUS:
	case ZYDIS_REGISTER_X87TAG:
		return OUTLINE_X87;
	default:
		break;
	}
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
	case ZYDIS_REGCLASS_FLAGS:
	case ZYDIS_REGCLASS_SEGMENT:
		return 0;
	case ZYDIS_REGCLASS_X87:
	case ZYDIS_REGCLASS_MMX:
		return OUTLINE_X87;
	case ZYDIS_REGCLASS_MASK:
		return OUTLINE_OPMASK;
	case ZYDIS_REGCLASS_XMM:
		return high ? OUTLINE_ZMM_16_31 : OUTLINE_SSE;
	case ZYDIS_REGCLASS_YMM:
		return high ? OUTLINE_ZMM_16_31 : OUTLINE_SSE | OUTLINE_AVX;
	case ZYDIS_REGCLASS_ZMM:
		return high ? OUTLINE_ZMM_16_31 : OUTLINE_SSE | OUTLINE_AVX | OUTLINE_ZMM_HIGH;
	default:
		return -1;
	}
}

/* A pure store loads what it stores; all else may change any component. */
static int plan_state(struct insn *insn, struct insn_decoder *dec)
{
	/* Conversions set flags in MXCSR, even from memory to a general register. */
	bool converts = dec->insn.meta.category == ZYDIS_CATEGORY_CONVERT;
	bool changes = insn->reads;

	insn->xload = insn->xstore = 0;
	for (unsigned i = 0; i < dec->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &dec->ops[i];
		int bits;

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		bits = components(op->reg.value);
		if (bits < 0)
			return refuse(dec, "a register that cannot be loaded");
		if (ZydisRegisterGetClass(op->reg.value) == ZYDIS_REGCLASS_SEGMENT &&
		    (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			return refuse(dec, "a load of a segment register");
		insn->xload |= (uint8_t)bits;
		if (bits && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			changes = true;
	}
	if (dec->insn.meta.isa_set == ZYDIS_ISA_SET_X87 || converts ||
	    (insn->xload & OUTLINE_X87) || (insn->xload && changes))
		insn->xload = insn->xstore = OUTLINE_ALL;
	return 0;
}

/* One of the low registers that is not in @used, or INSN_NO_REG. */
static uint8_t free_register(unsigned used)
{
	static const uint8_t low[] = { 3, 6, 7, 1, 2, 0 };

	for (unsigned i = 0; i < sizeof(low); i++)
		if (!(used & 1u << low[i]))
			return low[i];
	return INSN_NO_REG;
}

/* Choose the scratch register, and a name for rsp if it is data. */
static int plan_registers(struct insn *insn, struct insn_decoder *dec)
{
	unsigned used = 0;

	insn->rsp_as = INSN_NO_REG;
	for (unsigned i = 0; i < dec->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &dec->ops[i];
		int gpr = op->type == ZYDIS_OPERAND_TYPE_REGISTER ? insn_gpr(op->reg.value) : -1;

		if (gpr < 0)
			continue;
		used |= 1u << gpr;
		if (gpr == INSN_RSP && (op->encoding != ZYDIS_OPERAND_ENCODING_MODRM_REG ||
					dec->insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY))
			return refuse(dec, "the stack pointer in an unusual place");
	}
	insn->scratch = free_register(used);
	if (insn->scratch == INSN_NO_REG)
		return refuse(dec, "all registers in use");
	if (used & 1u << INSN_RSP) {
		insn->rsp_as = free_register(used | 1u << insn->scratch);
		if (insn->rsp_as == INSN_NO_REG)
			return refuse(dec, "all registers in use");
	}
	return 0;
}

static bool is_address_prefix(uint8_t byte)
{
	return byte == 0x67 || byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e;
}

/* Writes the copy and a return; its length. */
static size_t write_stub(const struct insn *insn, const ZydisDecodedInstruction *zy, uint8_t *out)
{
	const uint8_t *in = insn->bytes;
	size_t modrm = zy->raw.modrm.offset;
	size_t tail = modrm + 1 + (zy->raw.sib.offset ? 1 : 0) + zy->raw.disp.size / 8;
	size_t n = 0, i;
	uint8_t reg = zy->raw.modrm.reg;

	for (i = 0; i < zy->raw.prefix_count; i++) {
		bool rex = (in[i] & 0xf0) == 0x40;

		/* A REX counts only right before the opcode. */
		if (is_address_prefix(in[i]) || (rex && i + 1u != zy->raw.prefix_count))
			continue;
		out[n++] = rex ? in[i] & ~0x03 : in[i];
	}
	for (; i < modrm; i++)
		out[n++] = in[i];
	/* In these two, X and B are stored inverted. */
	if (zy->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
	    (zy->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && zy->raw.vex.size == 3))
		out[n - (modrm - zy->raw.prefix_count) + 1] |= 0x60;
	if (insn->rsp_as != INSN_NO_REG)
		reg = insn->rsp_as;
	out[n++] = (uint8_t)(reg << 3 | insn->scratch);
	for (i = tail; i < insn->len; i++)
		out[n++] = in[i];
	out[n++] = 0xc3;
	return n;
}

int outline_encode(struct insn *insn, struct insn_decoder *dec, struct outline_arena *arena,
		   unsigned slot)
{
	uint8_t *out = arena->rw + (size_t)slot * OUTLINE_STUB_SIZE;
	unsigned eax, ebx, ecx, edx;
	int ret;

	if (!dec->insn.raw.modrm.offset)
		return refuse(dec, "an absolute address");
	ret = plan_state(insn, dec);
	if (!ret)
		ret = plan_registers(insn, dec);
	if (ret)
		return ret;
	write_stub(insn, &dec->insn, out);
	/* Written at one address, run at another: the manual asks for a serializing instruction. */
	__cpuid(0, eax, ebx, ecx, edx);
	return 0;
}

static uint64_t frame_u64(const ucontext_t *uc, size_t off)
{
	uint64_t value;

	memcpy(&value, (const char *)uc->uc_mcontext.fpregs + off, sizeof(value));
	return value;
}

int outline_check(const struct insn *insn, const ucontext_t *uc)
{
	if (!insn->xload && insn->mask == INSN_MASK_NONE)
		return 0;
	if (!uc->uc_mcontext.fpregs || (uint32_t)frame_u64(uc, FRAME_MAGIC) != FRAME_MAGIC1)
		return -EOPNOTSUPP;
	return 0;
}

void outline_run(const struct insn *insn, const struct outline_arena *arena, unsigned slot,
		 ucontext_t *uc, void *operand, int64_t bit_bytes)
{
	greg_t *gregs = uc->uc_mcontext.gregs;
	uint64_t flags = (uint64_t)gregs[REG_EFL];
	struct outline_call call = {
		.stub = arena->rx + (size_t)slot * OUTLINE_STUB_SIZE,
		.flags = (flags & FLAGS_STATUS) | FLAGS_FIXED,
	};

	for (unsigned i = 0; i < 16; i++)
		call.gpr[i] = insn_reg_get(gregs, i);
	call.gpr[insn->scratch] = (uint64_t)operand - (uint64_t)bit_bytes;
	if (insn->rsp_as != INSN_NO_REG)
		call.gpr[insn->rsp_as] = call.gpr[INSN_RSP];
	if (insn->xload) {
		uint64_t features = frame_u64(uc, FRAME_XFEATURES);

		call.xstate = uc->uc_mcontext.fpregs;
		call.xload = insn->xload & features;
		call.xstore = insn->xstore & features;
	}

	outline_enter(&call);

	for (unsigned i = 0; i < 16; i++) {
		if (i == INSN_RSP || i == insn->scratch || i == insn->rsp_as)
			continue;
		insn_reg_set(gregs, i, call.gpr[i]);
	}
	if (insn->rsp_as != INSN_NO_REG)
		insn_reg_set(gregs, INSN_RSP, call.gpr[insn->rsp_as]);
	gregs[REG_EFL] = (greg_t)((flags & ~(uint64_t)FLAGS_STATUS) | (call.flags & FLAGS_STATUS));
}

/* Where a component lies in the frame; the same in every process of this machine. */
static size_t component_offset(unsigned component)
{
	static uint32_t offsets[8];
	uint32_t offset = __atomic_load_n(&offsets[component], __ATOMIC_RELAXED);
	unsigned eax, ecx, edx;

	if (!offset) {
		__cpuid_count(0xd, component, eax, offset, ecx, edx);
		__atomic_store_n(&offsets[component], offset, __ATOMIC_RELAXED);
	}
	return offset;
}

/* Bit @n set: element @n of an operand under a mask of bits in an opmask register. */
static uint64_t opmask_value(const struct insn *insn, const ucontext_t *uc)
{
	uint64_t valid = insn->elements == 64 ? UINT64_MAX : (1ull << insn->elements) - 1;
	uint64_t mask;

	if (!(frame_u64(uc, FRAME_XSTATE_BV) & OUTLINE_OPMASK))
		return 0;
	mask = frame_u64(uc, component_offset(5) + insn->mask_reg * 8u) & valid;
	if (insn->mask != INSN_MASK_PACKED)
		return mask;
	return mask == UINT64_MAX ? mask : (1ull << __builtin_popcountll(mask)) - 1;
}

/* Likewise under a mask of sign bits in a vector register. */
static uint64_t signs_value(const struct insn *insn, const ucontext_t *uc)
{
	const char *frame = (const char *)uc->uc_mcontext.fpregs;
	uint64_t valid = frame_u64(uc, FRAME_XSTATE_BV);
	uint8_t vector[32] = { 0 };
	uint64_t mask = 0;

	if (valid & OUTLINE_SSE)
		memcpy(vector, frame + FRAME_XMM + insn->mask_reg * 16, 16);
	if (valid & OUTLINE_AVX)
		memcpy(vector + 16, frame + component_offset(2) + insn->mask_reg * 16, 16);
	for (unsigned i = 0; i < insn->elements; i++)
		if (vector[i * insn->element + insn->element - 1] & 0x80)
			mask |= 1ull << i;
	return mask;
}

uint64_t outline_active(const struct insn *insn, const ucontext_t *uc)
{
	uint64_t element = insn->element == 64 ? UINT64_MAX : (1ull << insn->element) - 1;
	uint64_t bytes = 0;
	uint64_t mask;

	if (insn->mask == INSN_MASK_NONE)
		return insn->size == 64 ? UINT64_MAX : (1ull << insn->size) - 1;
	mask = insn->mask == INSN_MASK_SIGNS ? signs_value(insn, uc) : opmask_value(insn, uc);
	for (unsigned i = 0, byte = 0; i < insn->elements && byte < 64; i++, byte += insn->element)
		if (mask & 1ull << i)
			bytes |= element << byte;
	return bytes;
}
