/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the device sees of an instruction, what is refused, and what the trap
 * keeps: its cache, over changing code, threads and fork.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>

#include "../faults.h"
#include "interpose/mmio.h"
#include "mmio_rig.h"

#define AT(off) (rig.bar + (off))

static uint8_t *code; /* a page to write instructions into; the one after it is inaccessible */

static int setup(void **state)
{
	rig_clear();
	memset(rig.regs, 0, sizeof(rig.regs));
	return 0;
}

static uint32_t reg32(unsigned off)
{
	uint32_t value;

	memcpy(&value, rig.regs + off, sizeof(value));
	return value;
}

static void assert_access(unsigned n, bool write, uint64_t off, unsigned size)
{
	assert_true(n < rig.accesses && n < RIG_LOG);
	assert_int_equal(rig.log[n].write, write);
	assert_int_equal(rig.log[n].off, off);
	assert_int_equal(rig.log[n].size, size);
}

static void moves_are_one_access_of_their_width(void **state)
{
	uint64_t value = 0;

	rig_take_signals();
	__asm__ volatile("movl %1, (%0)" : : "r"(AT(16)), "r"(0x12345678) : "memory");
	assert_int_equal(reg32(16), 0x12345678);
	__asm__ volatile("movzwl 2(%1), %k0" : "=r"(value) : "r"(AT(16)));
	assert_int_equal(value, 0x1234);
	__asm__ volatile("movq $-1, (%0)" : : "r"(AT(24)) : "memory");
	__asm__ volatile("mov $0x1122, %%eax; movb %%ah, (%0)" : : "D"(AT(32)) : "memory", "rax");
	assert_int_equal(rig.regs[32], 0x11);
	__asm__ volatile("movups %%xmm0, (%0)" : : "r"(AT(48)) : "memory");
	assert_int_equal(rig.accesses, 5);
	assert_access(0, true, 16, 4);
	assert_access(1, false, 18, 2);
	assert_access(2, true, 24, 8);
	assert_access(3, true, 32, 1);
	assert_access(4, true, 48, 16);
}

static void comparisons_only_read(void **state)
{
	uint8_t equal = 0, bit = 0;

	rig_take_signals();
	rig.regs[1] = 0x80;
	__asm__ volatile("cmpl $0x8000, (%1); sete %0" : "=r"(equal) : "r"(AT(0)) : "cc");
	assert_true(equal);
	__asm__ volatile("testl $1, (%1); sete %0" : "=r"(equal) : "r"(AT(0)) : "cc");
	assert_true(equal);
	__asm__ volatile("btl $15, (%1); setc %0" : "=r"(bit) : "r"(AT(0)) : "cc");
	assert_true(bit);
	assert_int_equal(rig.accesses, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_access(i, false, 0, 4);
}

static void read_modify_write_is_a_read_and_a_write(void **state)
{
	rig_take_signals();
	rig.regs[8] = 0x0f;
	__asm__ volatile("lock orl $0xf0, (%0)" : : "r"(AT(8)) : "memory", "cc");
	assert_int_equal(reg32(8), 0xff);
	assert_int_equal(rig.accesses, 2);
	assert_access(0, false, 8, 4);
	assert_access(1, true, 8, 4);
}

static void failing_cmpxchg_writes_back_what_it_read(void **state)
{
	uint32_t seen = 1;

	rig_take_signals();
	rig.regs[8] = 7;
	__asm__ volatile("lock cmpxchgl %2, (%1)"
			 : "+a"(seen)
			 : "r"(AT(8)), "r"(9)
			 : "memory", "cc");
	assert_int_equal(seen, 7);
	assert_int_equal(reg32(8), 7);
	assert_access(1, true, 8, 4);
}

static void a_register_offset_reaches_the_bit_it_names(void **state)
{
	rig_take_signals();
	__asm__ volatile("btsq %1, (%0)" : : "r"(AT(1024)), "r"(-129l) : "memory", "cc");
	assert_access(0, false, 1024 - 24, 8);
	assert_access(1, true, 1024 - 24, 8);
	assert_int_equal(rig.regs[1024 - 24 + 7], 0x80);
}

static void the_stack_pointer_is_data_or_base_like_any_other(void **state)
{
	uint64_t sp = 0, stored, difference = 0;

	rig_take_signals();
	__asm__ volatile("mov %%rsp, (%1); mov %%rsp, %0" : "=r"(sp) : "r"(AT(64)) : "memory");
	memcpy(&stored, rig.regs + 64, 8);
	assert_int_equal(stored, sp);
	__asm__ volatile("mov %%rsp, %0; sub (%1), %%rsp; xchg %%rsp, %0"
			 : "=&r"(difference)
			 : "r"(AT(64))
			 : "memory", "cc");
	assert_int_equal(difference, 0);
	__asm__ volatile("mov %0, %%rax; sub %%rsp, %%rax; movl $5, (%%rsp, %%rax)"
			 :
			 : "r"(AT(128))
			 : "memory", "cc", "rax");
	assert_int_equal(reg32(128), 5);
	__asm__ volatile("mov %0, %%rax; sub %%rsp, %%rax; addl $5, (%%rsp, %%rax)"
			 :
			 : "r"(AT(128))
			 : "memory", "cc", "rax");
	assert_int_equal(reg32(128), 10);
}

static void an_access_over_the_seam_of_two_pieces_is_split(void **state)
{
	uint64_t value = 0;

	rig_take_signals();
	rig.split = 4096;
	__asm__ volatile("mov %1, (%0)" : : "r"(AT(4093)), "r"(0x1122334455667788ul) : "memory");
	assert_access(0, true, 4093, 3);
	assert_access(1, true, 4096, 5);
	__asm__ volatile("xor %0, %0; add (%1), %0" : "+&r"(value) : "r"(AT(4093)) : "cc");
	assert_int_equal(value, 0x1122334455667788ul);
	assert_access(2, false, 4093, 3);
	assert_access(3, false, 4096, 5);
}

static void an_access_off_the_end_is_refused(void **state)
{
	rig_take_signals();
	assert_int_equal(RIG_TRY(__asm__ volatile("movl $1, (%0)"
						  :
						  : "r"(AT(RIG_LEN - 2))
						  : "memory")),
			 SIGSEGV);
	assert_int_equal(rig.refused, -EOPNOTSUPP);
	assert_int_equal(RIG_TRY(__asm__ volatile("addl $1, (%0)"
						  :
						  : "r"(AT(RIG_LEN - 2))
						  : "memory", "cc")),
			 SIGSEGV);
	assert_int_equal(rig.refused, -EOPNOTSUPP);
	assert_false(rig.changed);
	assert_int_equal(rig.accesses, 0);
	assert_non_null(strstr(mmio_refusal(), "partly"));
}

#define REFUSED(name, ...)                                                         \
	do {                                                                       \
		rig.changed = true;                                                \
		assert_int_equal(RIG_TRY(__asm__ volatile(__VA_ARGS__)), SIGSEGV); \
		assert_int_equal(rig.refused, -EOPNOTSUPP);                        \
		assert_false(rig.changed);                                         \
		if (!strstr(mmio_refusal(), name))                                 \
			fail_msg("%s is not in: %s", name, mmio_refusal());        \
	} while (0)

static uintptr_t fs_base(void)
{
	uintptr_t base;

	__asm__("mov %%fs:0, %0" : "=r"(base)); /* the thread block starts with its address */
	return base;
}

static void what_cannot_be_executed_is_named_and_leaves_all_as_it_was(void **state)
{
	rig_take_signals();
	REFUSED("push", "pushq (%0); pop %%rax" : : "r"(AT(0)) : "rax", "memory");
	REFUSED("pop", "push %%rax; popq (%0)" : : "r"(AT(0)) : "memory");
	REFUSED("call", "call *(%0)" : : "r"(AT(0)) : "memory");
	REFUSED("jmp", "jmp *(%0)" : : "r"(AT(0)) : "memory");
	REFUSED("div", "divl (%0)" : : "r"(AT(0)) : "rax", "rdx", "cc");
	REFUSED("cmpsb", "cmpsb" : : "S"(AT(0)), "D"(AT(8)) : "cc");
	REFUSED("maskmov", "maskmovdqu %%xmm0, %%xmm0" : : "D"(AT(0)) : "memory");
	REFUSED("lfs", ".byte 0x48, 0x0f, 0xb4, 0x07" : : "D"(AT(0)) : "rax");
	REFUSED("fs", "movl %%fs:(%0), %%eax" : : "r"((uintptr_t)AT(0) - fs_base()) : "rax");
	REFUSED("fxsave", "fxsave (%0)" : : "r"(AT(0)) : "memory");
	assert_int_equal(rig.accesses, 0);
}

static void gathers_are_refused(void **state)
{
	if (!__builtin_cpu_supports("avx2"))
		skip();
	rig_take_signals();
	REFUSED("gather", "vpxor %%xmm1, %%xmm1, %%xmm1; vpcmpeqd %%xmm2, %%xmm2, %%xmm2;"
			  "vpgatherdd %%xmm2, (%0, %%xmm1), %%xmm0"
		:
		: "r"(AT(0))
		: "memory");
	assert_int_equal(rig.accesses, 0);
}

static void masked_accesses_touch_only_their_elements(void **state)
{
	static const uint32_t mask[4] __attribute__((aligned(16))) = { 0, ~0u, ~0u, 0 };

	if (!__builtin_cpu_supports("avx"))
		skip();
	rig_take_signals();
	__asm__ volatile("vmovaps %1, %%xmm1; vmaskmovps %%xmm1, %%xmm1, (%0)"
			 :
			 : "r"(AT(32)), "m"(*mask)
			 : "memory");
	assert_int_equal(rig.accesses, 1);
	assert_access(0, true, 36, 8);
	assert_int_equal(reg32(32), 0);
	assert_int_equal(reg32(40), ~0u);
	/* The last element lies off the end, and is not touched. */
	__asm__ volatile("vmovaps %1, %%xmm1; vmaskmovps (%0), %%xmm1, %%xmm0"
			 :
			 : "r"(AT(RIG_LEN - 12)), "m"(*mask)
			 : "memory");
	assert_int_equal(rig.accesses, 2);
	assert_access(1, false, RIG_LEN - 8, 8);
	if (!__builtin_cpu_supports("avx512f"))
		return;
	__asm__ volatile("mov $0x8005, %%eax; kmovw %%eax, %%k1; vmovdqu32 %%zmm0, (%0)%{%%k1%}"
			 :
			 : "r"(AT(64))
			 : "memory", "rax");
	assert_int_equal(rig.accesses, 5);
	assert_access(2, true, 64, 4);
	assert_access(3, true, 72, 4);
	assert_access(4, true, 124, 4);
}

static void cache_hints_step_over(void **state)
{
	rig_take_signals();
	__asm__ volatile("clflush (%0)" : : "r"(AT(0)) : "memory");
	assert_int_equal(rig.accesses, 0);
}

static void a_string_runs_off_the_device_into_memory(void **state)
{
	void *to = AT(RIG_LEN - 3);
	const char *from = "abcdefgh";
	uint64_t count = 8;

	rig_take_signals();
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	assert_int_equal(count, 0);
	assert_ptr_equal(to, AT(RIG_LEN + 5));
	assert_memory_equal(rig.regs + RIG_LEN - 3, "abc", 3);
	assert_memory_equal(AT(RIG_LEN), "defgh", 5);
	assert_int_equal(rig.accesses, 3);
}

static void move_bytes(void *to, const void *from, uint64_t count)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static void a_bad_other_operand_is_efault(void **state)
{
	if (UNDER_TSAN) /* the copy faults inside the handler */
		skip();
	rig_take_signals();
	rig.changed = true;
	assert_int_equal(RIG_TRY(move_bytes(code + 4096, AT(0), 4)), SIGSEGV);
	assert_int_equal(rig.refused, -EFAULT);
	assert_false(rig.changed);
	assert_non_null(strstr(mmio_refusal(), "movsb"));
	for (unsigned i = 0; i < rig.accesses; i++)
		assert_false(rig.log[i].write);

	/* What can be moved is; then the processor meets the bad byte itself. */
	rig_clear();
	memcpy(code + 4093, "xyz", 3);
	assert_int_equal(RIG_TRY(move_bytes(AT(0), code + 4093, 9)), SIGSEGV);
	assert_int_equal(rig.refused, 0);
	assert_int_equal(rig.accesses, 3);
	assert_memory_equal(rig.regs, "xyz", 4);
}

static void movdir64b_moves_64_bytes_at_once(void **state)
{
	static uint8_t block[128] __attribute__((aligned(64)));
	unsigned eax, ebx, ecx = 0, edx;

	__cpuid_count(7, 0, eax, ebx, ecx, edx);
	if (!(ecx & 1u << 28))
		skip();
	rig_take_signals();
	for (unsigned i = 0; i < 64; i++)
		block[i] = (uint8_t)(i + 1);
	/* movdir64b (%rsi), %rax */
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x06"
			 :
			 : "a"(AT(256)), "S"(block)
			 : "memory");
	assert_memory_equal(rig.regs + 256, block, 64);
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x06"
			 :
			 : "a"(block + 64), "S"(AT(256))
			 : "memory");
	assert_memory_equal(block + 64, block, 64);
	assert_int_equal(rig.accesses, 2);
	assert_access(0, true, 256, 64);
	assert_access(1, false, 256, 64);
	assert_int_equal(RIG_TRY(__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x06"
						  :
						  : "a"(AT(256)), "S"(code + 4096)
						  : "memory")),
			 SIGSEGV);
	assert_int_equal(rig.refused, 0); /* the processor reads first, and it is not ours */
}

static void call_code(const uint8_t *at, void *rdi, uint64_t rax)
{
	__asm__ volatile("call *%2" : "+a"(rax) : "D"(rdi), "r"(at) : "memory", "cc");
}

static void changed_code_is_decoded_anew(void **state)
{
	static const uint8_t store[] = { 0x89, 0x07, 0xc3 }; /* mov %eax, (%rdi) */
	static const uint8_t add[] = { 0x01, 0x07, 0xc3 }; /* add %eax, (%rdi) */
	static const uint8_t sub[] = { 0x29, 0x07, 0xc3 }; /* sub %eax, (%rdi) */
	uint64_t before = mmio_decodes();

	rig_take_signals();
	memcpy(code, store, 3);
	call_code(code, AT(0), 5);
	call_code(code, AT(0), 7);
	assert_int_equal(reg32(0), 7);
	assert_int_equal(mmio_decodes(), before + 1);
	memcpy(code, add, 3);
	call_code(code, AT(0), 5);
	call_code(code, AT(0), 5);
	assert_int_equal(reg32(0), 17);
	assert_int_equal(mmio_decodes(), before + 2);
	memcpy(code, sub, 3);
	call_code(code, AT(0), 16);
	assert_int_equal(reg32(0), 1);
	assert_int_equal(mmio_decodes(), before + 3);
}

static void code_may_end_with_its_mapping(void **state)
{
	if (UNDER_TSAN)
		skip();
	/* mov %eax, (%rdi), its two bytes the last of the page. */
	rig_take_signals();
	code[4094] = 0x89;
	code[4095] = 0x07;
	assert_int_equal(RIG_TRY(call_code(code + 4094, AT(12), 3)), SIGSEGV);
	assert_int_equal(rig.refused, 0); /* done; the next instruction is what faulted */
	assert_int_equal(reg32(12), 3);
}

static void a_jump_into_a_bar_is_refused(void **state)
{
	if (UNDER_TSAN)
		skip();
	rig_take_signals();
	rig.changed = true;
	assert_int_equal(RIG_TRY(call_code(AT(0), NULL, 0)), SIGSEGV);
	assert_int_equal(rig.refused, -EOPNOTSUPP);
	assert_false(rig.changed);
}

static void *hammer(void *arg)
{
	unsigned off = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t value = i;

		__asm__ volatile("movl %k0, (%1); addl $1, (%1); lock xaddl %k0, (%1)"
				 : "+r"(value)
				 : "r"(AT(off))
				 : "memory", "cc");
		__asm__ volatile("movq %0, %%xmm7; movq %%xmm7, 8(%1); pxor %%xmm7, %%xmm7;"
				 "movups 8(%1), %%xmm7; movq %%xmm7, %0"
				 : "+r"(value)
				 : "r"(AT(off))
				 : "memory", "xmm7");
		if (value != i + 1)
			return (void *)1;
		__asm__ volatile("movl (%1), %k0" : "=r"(value) : "r"(AT(off)));
		if (value != 2 * i + 1)
			return (void *)1;
	}
	return NULL;
}

static unsigned count_arenas(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned count = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "ringfence-outline") != NULL;
	fclose(maps);
	return count;
}

static void threads_trap_side_by_side(void **state)
{
	pthread_t threads[4];
	void *failed;

	rig_take_signals();
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)(i * 4096)), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

static void *trap_once(void *arg)
{
	__asm__ volatile("addl $1, (%0)" : : "r"(AT(0)) : "memory", "cc");
	return NULL;
}

static void what_a_dead_thread_kept_is_used_again(void **state)
{
	unsigned before = 0;

	rig_take_signals();
	for (unsigned i = 0; i < 200; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, trap_once, NULL), 0);
		pthread_join(thread, NULL);
		if (i == 20)
			before = count_arenas();
	}
	assert_int_equal(reg32(0), 200);
	assert_int_equal(count_arenas(), before);
}

static void parent_and_child_of_fork_share_no_code(void **state)
{
	static const uint8_t add[] = { 0x01, 0x07, 0xc3 }; /* add %eax, (%rdi) */
	static const uint8_t sub[] = { 0x29, 0x07, 0xc3 }; /* sub %eax, (%rdi) */
	int status;
	pid_t pid;

	rig_take_signals();
	memcpy(code, add, 3);
	call_code(code, AT(0), 5);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		call_code(code, AT(0), 5);
		memcpy(code, sub, 3); /* takes the same place in the arena */
		call_code(code, AT(0), 1);
		_exit(reg32(0) == 9 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	call_code(code, AT(0), 5);
	assert_int_equal(reg32(0), 10);
}

/* How far below the handler's frame the stack was written, running @call. */
static long stack_used(char *stack, size_t len, void (*call)(void))
{
	char *low = stack;

	memset(stack, 0x6b, len);
	call();
	while (*low == 0x6b)
		low++;
	return rig.frame - low;
}

static void call_move(void)
{
	__asm__ volatile("movl $1, (%0)" : : "r"(AT(0)) : "memory");
}

static void call_outline(void)
{
	__asm__ volatile("lock cmpxchg16b (%0)"
			 :
			 : "r"(AT(16))
			 : "memory", "cc", "rax", "rbx", "rcx", "rdx");
}

static void call_vector(void)
{
	__asm__ volatile("paddd (%0), %%xmm0" : : "r"(AT(16)) : "memory");
}

static void call_refused(void)
{
	(void)RIG_TRY(__asm__ volatile("pushq (%0)" : : "r"(AT(16)) : "memory"));
}

static void a_small_signal_stack_is_enough(void **state)
{
	static void (*const calls[])(void) = { call_move, call_outline, call_vector };
	static char stack[128 * 1024] __attribute__((aligned(64)));
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };

	rig_take_signals();
	assert_int_equal(sigaltstack(&alt, NULL), 0);
	for (unsigned i = 0; i < 3; i++) {
		long first = stack_used(stack, sizeof(stack), calls[i]);
		long again = stack_used(stack, sizeof(stack), calls[i]);

		print_message("# stack: %ld bytes to decode, %ld from the cache\n", first, again);
		if (UNDER_ASAN)
			continue;
		assert_in_range(first, 1, 4096);
		assert_in_range(again, 1, 1536);
	}
	print_message("# stack: %ld bytes to refuse\n",
		      stack_used(stack, sizeof(stack), call_refused));
	alt.ss_flags = SS_DISABLE;
	sigaltstack(&alt, NULL);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(moves_are_one_access_of_their_width),
		TEST(comparisons_only_read),
		TEST(read_modify_write_is_a_read_and_a_write),
		TEST(failing_cmpxchg_writes_back_what_it_read),
		TEST(a_register_offset_reaches_the_bit_it_names),
		TEST(the_stack_pointer_is_data_or_base_like_any_other),
		TEST(an_access_over_the_seam_of_two_pieces_is_split),
		TEST(an_access_off_the_end_is_refused),
		TEST(what_cannot_be_executed_is_named_and_leaves_all_as_it_was),
		TEST(gathers_are_refused),
		TEST(masked_accesses_touch_only_their_elements),
		TEST(cache_hints_step_over),
		TEST(a_string_runs_off_the_device_into_memory),
		TEST(a_bad_other_operand_is_efault),
		TEST(movdir64b_moves_64_bytes_at_once),
		TEST(changed_code_is_decoded_anew),
		TEST(code_may_end_with_its_mapping),
		TEST(a_jump_into_a_bar_is_refused),
		TEST(threads_trap_side_by_side),
		TEST(what_a_dead_thread_kept_is_used_again),
		TEST(parent_and_child_of_fork_share_no_code),
		TEST(a_small_signal_stack_is_enough),
	};

	rig_init();
	code = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (code == MAP_FAILED || mprotect(code + 4096, 4096, PROT_NONE))
		return 1;
	return cmocka_run_group_tests_name("mmio", tests, NULL, NULL);
}
