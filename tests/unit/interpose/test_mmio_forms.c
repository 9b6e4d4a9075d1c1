/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Differential test: each form of instruction, with random operands, registers,
 * flags and vector state, runs natively on memory and trapped on a BAR. General
 * registers, flags, memory and vector state must come out equal.
 *
 * test_interpose_mmio_forms [trials a form [seed]]
 *
 * What the processor lacks shows as SIGILL in the native run; it is skipped
 * and said.
 */
#include <cpuid.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <Zydis/Zydis.h>
#include <cmocka.h>

#include "mmio_forms.h"
#include "mmio_rig.h"

#define STATUS	 0x8d5u
#define WINDOW	 1024 /* bytes each side of the operand that are compared */
#define XSAVE_SZ 4096
#define FEATURES 0xe7u /* x87, SSE, AVX, opmask, ZMM */

/* The processor's registers, in its numbering; known to forms_enter by offset. */
struct cpu {
	uint64_t gpr[16];
	uint64_t flags;
	const void *code;
	void *xstate;
	uint64_t xmask;
};

void forms_enter(struct cpu *cpu);

/* Load everything, call the code, store everything. */
__asm__(".text\n"
	".type forms_enter, @function\n"
	"forms_enter:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
	"	mov 144(%rdi), %rcx; mov 152(%rdi), %eax; xor %edx, %edx; xrstor64 (%rcx)\n"
	"	pushq 128(%rdi); popfq\n"
	"	mov 0(%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx\n"
	"	mov 40(%rdi), %rbp; mov 48(%rdi), %rsi; mov 64(%rdi), %r8; mov 72(%rdi), %r9\n"
	"	mov 80(%rdi), %r10; mov 88(%rdi), %r11; mov 96(%rdi), %r12; mov 104(%rdi), %r13\n"
	"	mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
	"	pushq 136(%rdi); mov 56(%rdi), %rdi; call *(%rsp); xchg %rdi, 8(%rsp)\n"
	"	mov %rax, 0(%rdi); mov %rcx, 8(%rdi); mov %rdx, 16(%rdi); mov %rbx, 24(%rdi)\n"
	"	mov %rbp, 40(%rdi); mov %rsi, 48(%rdi); mov %r8, 64(%rdi); mov %r9, 72(%rdi)\n"
	"	mov %r10, 80(%rdi); mov %r11, 88(%rdi); mov %r12, 96(%rdi); mov %r13, 104(%rdi)\n"
	"	mov %r14, 112(%rdi); mov %r15, 120(%rdi)\n"
	"	mov 8(%rsp), %rax; mov %rax, 56(%rdi)\n"
	"	pushfq; popq 128(%rdi); cld\n"
	"	mov 144(%rdi), %rcx; mov 152(%rdi), %eax; xor %edx, %edx; xsave64 (%rcx)\n"
	"	fninit; add $16, %rsp\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
	".size forms_enter, . - forms_enter\n");

static uint8_t *memory; /* what the native run works on, as large as the BAR */
static uint8_t *code;
static uint64_t xmask;
static uint64_t state; /* of the random numbers */
static unsigned trials = 150;

struct component {
	unsigned bit, off, size;
};
static struct component components[8];
static unsigned component_count;

static uint64_t rnd(void)
{
	return rig_random(&state);
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() >> 33) % n;
}

/* Which extended state there is, and where in an XSAVE area. */
static void probe_features(void)
{
	unsigned eax, ebx, ecx, edx;
	uint32_t lo, hi;

	__cpuid(1, eax, ebx, ecx, edx);
	if (!(ecx & bit_OSXSAVE)) {
		puts("Bail out! no XSAVE");
		exit(1);
	}
	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	xmask = lo & FEATURES;
	components[component_count++] = (struct component){ 0, 32, 128 };
	components[component_count++] = (struct component){ 1, 160, 256 };
	for (unsigned bit = 2; bit < 8; bit++) {
		if (!(xmask & 1u << bit))
			continue;
		__cpuid_count(0xd, bit, eax, ebx, ecx, edx);
		components[component_count++] = (struct component){ bit, ebx, eax };
	}
}

static void random_state(uint8_t *xs)
{
	uint64_t valid = 0;

	memset(xs, 0, XSAVE_SZ);
	xs[0] = 0x7f, xs[1] = 0x03; /* x87 control word */
	xs[24] = 0x80, xs[25] = 0x1f; /* MXCSR */
	for (unsigned i = 0; i < component_count; i++) {
		const struct component *c = &components[i];

		if (!below(4))
			continue; /* in its initial state */
		valid |= 1u << c->bit;
		if (!c->bit)
			continue; /* x87: empty, with its controls */
		for (unsigned j = 0; j < c->size; j++)
			xs[c->off + j] = (uint8_t)rnd();
	}
	memcpy(xs + 512, &valid, sizeof(valid));
}

/* A component whose bit is clear has its initial value, whatever lies there. */
static bool same_state(uint8_t *a, uint8_t *b)
{
	uint8_t *side[] = { a, b };

	for (unsigned s = 0; s < 2; s++) {
		uint64_t valid;

		memcpy(&valid, side[s] + 512, sizeof(valid));
		for (unsigned i = 0; i < component_count; i++)
			if (!(valid & 1u << components[i].bit))
				memset(side[s] + components[i].off, 0, components[i].size);
		memset(side[s] + 8, 0, 16); /* where the last x87 instruction stood */
		memset(side[s] + 28, 0, 4); /* MXCSR_MASK */
		memset(side[s] + 416, 0, 160); /* reserved, and XSTATE_BV */
	}
	return !memcmp(a, b, XSAVE_SZ);
}

static ZydisRegister gpr(unsigned id, unsigned size)
{
	static const ZydisRegister bytes[16] = {
		ZYDIS_REGISTER_AL,   ZYDIS_REGISTER_CL,	  ZYDIS_REGISTER_DL,   ZYDIS_REGISTER_BL,
		ZYDIS_REGISTER_SPL,  ZYDIS_REGISTER_BPL,  ZYDIS_REGISTER_SIL,  ZYDIS_REGISTER_DIL,
		ZYDIS_REGISTER_R8B,  ZYDIS_REGISTER_R9B,  ZYDIS_REGISTER_R10B, ZYDIS_REGISTER_R11B,
		ZYDIS_REGISTER_R12B, ZYDIS_REGISTER_R13B, ZYDIS_REGISTER_R14B, ZYDIS_REGISTER_R15B,
	};

	switch (size) {
	case 1:
		return bytes[id];
	case 2:
		return ZYDIS_REGISTER_AX + id;
	case 4:
		return ZYDIS_REGISTER_EAX + id;
	default:
		return ZYDIS_REGISTER_RAX + id;
	}
}

/**
 * struct trial - one instruction about to be run twice
 * @size: operand size, for forms with several
 * @base, @index, @scale, @disp: the address; @base 16: RIP-relative
 * @wide: bytes of the address registers, 4 or 8
 * @bit_reg: holds a bit offset, or -1
 * @off: of the operand in the BAR and in memory
 * @asked: the request for Zydis' encoder, with the memory operand in @mem
 */
struct trial {
	const struct form *form;
	unsigned size, base, index, scale, wide;
	int disp, bit_reg;
	uint64_t off;
	ZydisEncoderRequest asked;
	ZydisEncoderOperand *mem;
};

static unsigned pick_data(const struct trial *t)
{
	unsigned id;

	/* The address differs between the runs; data that is the address would, too. */
	do
		id = below(16);
	while (id == 4 || (id == t->base && !(t->form->flags & FORM_REPLACES && t->size >= 4)));
	return id;
}

static void pick_register(struct trial *t, ZydisEncoderOperand *op)
{
	unsigned id = pick_data(t);

	op->type = ZYDIS_OPERAND_TYPE_REGISTER;
	if (t->size == 1 && !below(4) && (t->base < 4 ? id != t->base : true) && t->base < 8 &&
	    t->index < 8 && t->base != (id & 3))
		op->reg.value = ZYDIS_REGISTER_AH + (id & 3);
	else
		op->reg.value = gpr(id, t->size);
	if (t->form->flags & FORM_BITS)
		t->bit_reg = (int)id;
}

static void pick_operand(struct trial *t, char kind, ZydisEncoderOperand *op)
{
	op->type = ZYDIS_OPERAND_TYPE_REGISTER;
	switch (kind) {
	case 'M':
		op->type = ZYDIS_OPERAND_TYPE_MEMORY;
		op->mem.size = t->form->mem ? t->form->mem : t->size;
		if (t->base < 16)
			op->mem.base = gpr(t->base, t->wide);
		if (t->index < 16) {
			op->mem.index = gpr(t->index, t->wide);
			op->mem.scale = (uint8_t)t->scale;
		}
		op->mem.displacement = t->disp;
		t->mem = op;
		break;
	case 'R':
		pick_register(t, op);
		break;
	case 'I':
		op->type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
		op->imm.u = below(t->form->imm ? t->form->imm : 128);
		break;
	case 'C':
		op->reg.value = ZYDIS_REGISTER_CL;
		break;
	case 'X':
		op->reg.value = ZYDIS_REGISTER_XMM0 + below(16);
		break;
	case '4':
		op->reg.is4 = true;
		op->reg.value = ZYDIS_REGISTER_YMM0 + below(16);
		break;
	case 'Y':
		op->reg.value = ZYDIS_REGISTER_YMM0 + below(16);
		break;
	case 'x':
		op->reg.value = ZYDIS_REGISTER_XMM0 + below(32);
		break;
	case 'y':
		op->reg.value = ZYDIS_REGISTER_YMM0 + below(32);
		break;
	case 'Z':
		op->reg.value = ZYDIS_REGISTER_ZMM0 + below(32);
		break;
	case 'k':
		op->reg.value = ZYDIS_REGISTER_K1 + below(7);
		break;
	case 'K':
		op->reg.value = ZYDIS_REGISTER_K0;
		break;
	case 'm':
		op->reg.value = ZYDIS_REGISTER_MM0 + below(8);
		break;
	}
}

static void pick_address(struct trial *t)
{
	const struct form *form = t->form;
	unsigned align = form->flags & FORM_ALIGNED ? form->mem : 1;

	do
		t->base = below(16);
	while (t->base == 4 || (form->implicit & 1u << t->base));
	do
		t->index = below(16);
	while (t->index == 4 || t->index == t->base);
	if (below(2))
		t->index = 16;
	if (!below(8) && !(form->flags & FORM_BITS))
		t->base = 16, t->index = 16;
	t->scale = 1u << below(4);
	t->disp = below(2) ? (int)below(200) - 100 : 0;
	t->wide = below(8) || t->base == 16 ? 8 : 4;
	t->off = 4096 + below(32768);
	if (!below(4)) /* over the end of a page */
		t->off = 4096 * (2 + below(8)) - below(8);
	t->off -= t->off % align;
	t->bit_reg = -1;
}

static void make_trial(struct trial *t, const struct form *form)
{
	memset(t, 0, sizeof(*t));
	t->form = form;
	do
		t->size = form->sizes ? 1u << below(4) : 8;
	while (form->sizes && !(form->sizes & t->size));
	pick_address(t);
	t->asked.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
	t->asked.mnemonic = form->mnemonic;
	for (const char *kind = form->operands; *kind; kind++)
		pick_operand(t, *kind, &t->asked.operands[t->asked.operand_count++]);
	if (form->flags & FORM_LOCKS && below(2))
		t->asked.prefixes |= ZYDIS_ATTRIB_HAS_LOCK;
	if (form->flags & FORM_ZEROES)
		t->asked.evex.zeroing_mask = below(2);
}

/* Write it as code that works on @target. */
static bool encode(struct trial *t, const uint8_t *target)
{
	ZydisEncoderRequest asked = t->asked;
	ZydisEncoderOperand *mem = &asked.operands[t->mem - t->asked.operands];
	ZyanUSize len = 15;

	memset(code, 0xcc, 64);
	if (t->base == 16) {
		mem->mem.base = ZYDIS_REGISTER_RIP;
		mem->mem.displacement = (int64_t)(uintptr_t)(target + t->off);
		if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstructionAbsolute(&asked, code, &len,
									(uintptr_t)code)))
			return false;
	} else if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&asked, code, &len))) {
		return false;
	}
	code[len] = 0xc3;
	return true;
}

/* Point the address registers at the operand in @target. */
static void aim(const struct trial *t, struct cpu *cpu, const uint8_t *target)
{
	uint64_t addr = (uintptr_t)target + t->off - (uint64_t)(int64_t)t->disp;

	if (t->base == 16)
		return;
	if (t->index < 16)
		addr -= cpu->gpr[t->index] * t->scale;
	if (t->wide == 4) /* the upper half is ignored */
		addr = (uint32_t)addr | (cpu->gpr[t->base] & 0xffffffff00000000ull);
	cpu->gpr[t->base] = addr;
}

static int enter(struct cpu *cpu)
{
	return RIG_TRY(forms_enter(cpu));
}

enum outcome { SAME, DIFFERENT, ABSENT, UNENCODABLE, REFUSED, FAULTED };

static enum outcome run_trial(struct trial *t)
{
	static uint8_t xs[2][XSAVE_SZ] __attribute__((aligned(64)));
	struct cpu native = { .code = code, .xmask = xmask, .xstate = xs[0] };
	struct cpu trapped;
	uint64_t first = t->off - WINDOW, bases[2];
	const char *what = NULL;
	int sig;

	for (unsigned i = 0; i < 16; i++)
		native.gpr[i] = rnd();
	if (t->index < 16)
		native.gpr[t->index] = below(64);
	if (t->bit_reg >= 0 && (unsigned)t->bit_reg != t->index)
		native.gpr[t->bit_reg] = (uint64_t)((int64_t)below(4096) - 2048);
	native.flags = (rnd() & STATUS) | 2;
	random_state(xs[0]);
	memcpy(xs[1], xs[0], XSAVE_SZ);
	for (unsigned i = 0; i < 2 * WINDOW; i++)
		memory[first + i] = (uint8_t)rnd();
	memcpy(rig.regs + first, memory + first, 2 * WINDOW);
	trapped = native;
	trapped.xstate = xs[1];
	aim(t, &native, memory);
	aim(t, &trapped, rig.bar);
	bases[0] = t->base < 16 ? native.gpr[t->base] : 0;
	bases[1] = t->base < 16 ? trapped.gpr[t->base] : 0;

	if (!encode(t, memory))
		return UNENCODABLE;
	sig = enter(&native);
	if (sig)
		return sig == SIGILL ? ABSENT : FAULTED;
	encode(t, rig.bar);
	if (enter(&trapped))
		return REFUSED;

	for (unsigned i = 0; i < 16; i++) {
		bool kept = i == t->base && native.gpr[i] == bases[0] && trapped.gpr[i] == bases[1];

		if (i != 4 && !kept && native.gpr[i] != trapped.gpr[i])
			what = "a general register";
	}
	if ((native.flags ^ trapped.flags) & STATUS)
		what = "flags";
	if (memcmp(memory + first, rig.regs + first, 2 * WINDOW))
		what = "memory";
	if (!same_state(xs[0], xs[1]))
		what = "vector state";
	if (!what)
		return SAME;
	print_message("# %s differs:", what);
	for (unsigned i = 0; code[i] != 0xcc; i++)
		print_message(" %02x", code[i]);
	print_message("\n");
	return DIFFERENT;
}

static void every_form_does_on_a_device_what_it_does_on_memory(void **unused)
{
	unsigned counts[6] = { 0 }, bad = 0, used = 0;

	rig_take_signals();
	for (unsigned f = 0; f < form_count; f++) {
		const struct form *form = &forms[f];
		unsigned seen[6] = { 0 };

		for (unsigned i = 0; i < trials; i++) {
			struct trial t;
			enum outcome got;

			make_trial(&t, form);
			got = run_trial(&t);
			seen[got]++;
			counts[got]++;
			if (got == REFUSED && seen[REFUSED] == 1)
				print_message("# %s %s refused\n",
					      ZydisMnemonicGetString(form->mnemonic),
					      form->operands);
			if (got == ABSENT || seen[DIFFERENT] > 2)
				break;
		}
		if (seen[ABSENT])
			print_message("# skipped, not on this processor: %s\n",
				      ZydisMnemonicGetString(form->mnemonic));
		else if (seen[SAME] < trials / 2)
			bad++, print_message("# %s %s: %u of %u trials equal, %u not encodable, "
					     "%u faulted natively\n",
					     ZydisMnemonicGetString(form->mnemonic), form->operands,
					     seen[SAME], trials, seen[UNENCODABLE], seen[FAULTED]);
		else
			used++;
	}
	print_message("# %u forms, %u trials equal\n", used, counts[SAME]);
	assert_int_equal(counts[DIFFERENT], 0);
	assert_int_equal(counts[REFUSED], 0);
	assert_int_equal(bad, 0);
}

/* movs, stos, lods with any side on the device: prefix, size, direction, count. */
static void make_string(uint8_t *to, bool *addr32, bool *rep, unsigned *kind, unsigned *size)
{
	static const uint8_t opcodes[] = { 0xa4, 0xaa, 0xac };

	*kind = below(3);
	*size = 1u << below(4);
	*addr32 = !below(6);
	*rep = below(3);
	if (*addr32)
		*to++ = 0x67;
	if (*rep)
		*to++ = 0xf3;
	if (*size == 2)
		*to++ = 0x66;
	if (*size == 8)
		*to++ = 0x48;
	*to++ = opcodes[*kind] + (*size > 1);
	*to = 0xc3;
}

enum { RCX = 1, RSP = 4, RSI = 6, RDI = 7 };

static void swap_sides(void)
{
	uint8_t *swap = malloc(RIG_LEN);

	memcpy(swap, memory, RIG_LEN);
	memcpy(memory, rig.regs, RIG_LEN);
	memcpy(rig.regs, swap, RIG_LEN);
	free(swap);
}

/*
 * A register that differs, or -1; but for the pointers to the device: @sides 1, the source
 * is there; 2, the target.
 */
static int differing_register(const struct cpu *native, const struct cpu *trapped, unsigned sides)
{
	for (unsigned j = 0; j < 16; j++) {
		uint64_t n = native->gpr[j], t = trapped->gpr[j];

		if ((j == RSI && (sides & 1)) || (j == RDI && (sides & 2)))
			t += (uint64_t)(memory - rig.bar);
		if (j != RSP && n != t)
			return (int)j;
	}
	return -1;
}

static void strings_move_the_same_elements(void **unused)
{
	static uint8_t xs[XSAVE_SZ] __attribute__((aligned(64)));

	rig_take_signals();
	memset(xs, 0, sizeof(xs));
	xs[24] = 0x80, xs[25] = 0x1f;
	for (unsigned i = 0; i < trials * 20; i++) {
		struct cpu native = { .code = code, .xmask = 3, .xstate = xs }, trapped;
		unsigned kind, size, sides = 1 + below(3), count = below(40);
		uint64_t from = 8192 + below(4096), to = 16384 + below(4096);
		bool addr32, rep;
		uint64_t high;
		int wrong;

		make_string(code, &addr32, &rep, &kind, &size);
		for (unsigned j = 0; j < 16; j++)
			native.gpr[j] = rnd();
		high = addr32 ? rnd() << 32 : 0;
		native.gpr[RCX] = count | high;
		native.flags = (rnd() & STATUS) | 2 | (below(2) ? 0x400 : 0);
		if (!below(8)) /* runs into the device from below or off its end */
			to = RIG_LEN - count * size / 2 / size * size, native.flags &= ~0x400ull;
		for (unsigned j = 0; j < RIG_LEN; j += 8) {
			uint64_t value = rnd();

			memcpy(memory + j, &value, 8);
		}
		memcpy(rig.regs, memory, RIG_LEN);
		memset(memory + RIG_LEN, 0, 4096);
		trapped = native;
		native.gpr[RSI] = high | (uintptr_t)(memory + from);
		native.gpr[RDI] = high | (uintptr_t)(memory + to);
		trapped.gpr[RSI] = high | (uintptr_t)((sides & 1 ? rig.bar : memory) + from);
		trapped.gpr[RDI] = high | (uintptr_t)((sides & 2 ? rig.bar : memory) + to);
		if (to > 20480 && (sides & 2) && kind != 2)
			continue; /* what follows the BAR is tested elsewhere */

		/* The memory side of the trapped run starts as it was, too. */
		if (enter(&trapped))
			fail_msg("refused: kind %u size %u", kind, size);
		if (!(sides & 2) && kind != 2)
			swap_sides(); /* its stores went to memory */
		assert_int_equal(enter(&native), 0);
		wrong = differing_register(&native, &trapped, sides);
		if (wrong >= 0)
			fail_msg("register %d: kind %u size %u rep %u sides %u", wrong, kind, size,
				 rep, sides);
		assert_memory_equal(memory, rig.regs, RIG_LEN);
		assert_int_equal(native.flags & STATUS, trapped.flags & STATUS);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_does_on_a_device_what_it_does_on_memory),
		cmocka_unit_test(strings_move_the_same_elements),
	};
	const int prot = PROT_READ | PROT_WRITE;

	trials = argc > 1 ? (unsigned)atoi(argv[1]) : trials;
	state = argc > 2 ? strtoull(argv[2], NULL, 0) : 88172645463325252ull;
	printf("# %u trials a form, seed %llu\n", trials, (unsigned long long)state);
	rig_init();
	probe_features();
	memory = mmap(NULL, RIG_LEN + 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	code = mmap(NULL, 4096, prot | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (memory == MAP_FAILED || code == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests_name("forms", tests, NULL, NULL);
}
