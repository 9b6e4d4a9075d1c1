/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs touch registers from coroutines and alternate stacks of a few
 * kilobytes; the signal frame just fits, a device model would not. So a trap
 * runs the model on a stack of the engine's: one of a pool, taken for the
 * length of the trap and given back, so that as many are made as threads trap
 * at the same instant, and a thread that ends leaves nothing behind. The pool is
 * a word with a bit a stack: no lock, as befits a signal handler.
 *
 * If the signal was delivered on an alternate stack, that is switched off
 * meanwhile: a fault inside (a fault-safe copy meets a bad address) would
 * otherwise begin at its top again, over the frame we came from. Returning from
 * the signal switches it on again.
 */
#include "interpose/stack.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/apart.h"
#include "base/sys.h"

#define STACK_SIZE  (256u << 10)
#define STACK_GUARD 4096u
#define NR_STACKS   64

static _Atomic uint64_t taken;
static _Atomic(uint8_t *) stacks[NR_STACKS];

/* switch_call(fn, uc, arg, top): call fn(uc, arg) with the stack pointer at @top. */
long switch_call(long (*fn)(ucontext_t *uc, uintptr_t arg), ucontext_t *uc, uintptr_t arg,
		 void *top);

__asm__(".text\n"
	".hidden switch_call\n"
	".globl switch_call\n"
	".type switch_call, @function\n"
	"switch_call:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset %rbp, -16\n"
	"	movq %rsp, %rbp\n"
	"	.cfi_def_cfa_register %rbp\n"
	"	movq %rcx, %rsp\n"
	"	movq %rdi, %rax\n"
	"	movq %rsi, %rdi\n"
	"	movq %rdx, %rsi\n"
	"	call *%rax\n"
	"	leave\n"
	"	.cfi_def_cfa %rsp, 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size switch_call, . - switch_call\n");

static int stack_take(void)
{
	uint64_t busy = atomic_load_explicit(&taken, memory_order_relaxed);
	int i;

	do {
		while (busy == UINT64_MAX) {
			sched_yield();
			busy = atomic_load_explicit(&taken, memory_order_relaxed);
		}
		i = __builtin_ctzll(~busy);
	} while (!atomic_compare_exchange_weak_explicit(
		&taken, &busy, busy | 1ull << i, memory_order_acquire, memory_order_relaxed));
	return i;
}

static void stack_give(int i)
{
	atomic_fetch_and_explicit(&taken, ~(1ull << i), memory_order_release);
}

/* The memory of a stack that is taken; NULL: none to be had. */
static uint8_t *stack_memory(int i)
{
	uint8_t *mem = atomic_load_explicit(&stacks[i], memory_order_relaxed);

	if (mem)
		return mem;
	mem = apart_mmap(STACK_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (sys_failed(mem))
		return NULL;
	sys_mprotect(mem, STACK_GUARD, PROT_NONE);
	atomic_store_explicit(&stacks[i], mem, memory_order_relaxed);
	return mem;
}

/* On the new stack already: only from there may the alternate one be switched off. */
struct on_stack {
	long (*fn)(ucontext_t *uc, uintptr_t arg);
	uintptr_t arg;
};

static long on_stack(ucontext_t *uc, uintptr_t arg)
{
	const struct on_stack *call = (const struct on_stack *)arg;
	stack_t off = { .ss_flags = SS_DISABLE };

	if (!(uc->uc_stack.ss_flags & SS_DISABLE) && uc->uc_stack.ss_size)
		syscall(SYS_sigaltstack, &off, NULL);
	return call->fn(uc, call->arg);
}

long stack_call(long (*fn)(ucontext_t *uc, uintptr_t arg), ucontext_t *uc, uintptr_t arg)
{
	struct on_stack call = { fn, arg };
	int i = stack_take();
	uint8_t *mem = stack_memory(i);
	long ret;

	if (mem)
		ret = switch_call(on_stack, uc, (uintptr_t)&call, mem + STACK_SIZE);
	else
		ret = fn(uc, arg);
	stack_give(i);
	return ret;
}

void stack_abandon(void)
{
	atomic_store(&taken, 0);
}
