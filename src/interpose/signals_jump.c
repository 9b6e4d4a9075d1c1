/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * siglongjmp() and its names: out of a handler of the program, past us.
 *
 * libc restores the mask that sigsetjmp() asked the kernel for, which says nothing
 * of SIGSEGV and SIGBUS; what the thread believed of them is in the notes of its
 * handlers (signals_mask.c). So those that the jump leaves are dropped before it.
 * Without this they would be only when somebody asks from further out, and a program
 * that jumps and goes on deeper than its handler was would have the next fault in
 * what looks like that handler still, and be killed.
 *
 * Where a jump leads to is in the buffer, mangled as libc does it: a rotation, and a
 * secret of the process at a place of the thread's control block that is ABI.
 *
 * A jump that does not restore the mask changes nothing, here as in the kernel. Jumps
 * between stacks (coroutines) are such.
 */
#include <setjmp.h>
#include <stdint.h>

#include "interpose/real.h"
#include "interpose/signals.h"

#define JUMP_SP 6 /* of __jmpbuf */

/* Fortified programs call it by this name. */
_Noreturn void __longjmp_chk(struct __jmp_buf_tag *env, int value);

static uintptr_t jump_target(const struct __jmp_buf_tag *env)
{
	uintptr_t sp = (uintptr_t)env->__jmpbuf[JUMP_SP];

	__asm__("ror $17, %0\n\txor %%fs:0x30, %0" : "+r"(sp) : : "cc");
	return sp;
}

static void jump_prepare(const struct __jmp_buf_tag *env)
{
	if (!env->__mask_was_saved || !signals_on())
		return;
	blocked_get(jump_target(env));
	blocked_deliver();
}

INTERPOSED _Noreturn void siglongjmp(sigjmp_buf env, int value)
{
	jump_prepare(env);
	REAL(siglongjmp)(env, value);
	__builtin_unreachable();
}

INTERPOSED _Noreturn void longjmp(jmp_buf env, int value)
{
	jump_prepare(env);
	REAL(longjmp)(env, value);
	__builtin_unreachable();
}

INTERPOSED _Noreturn void _longjmp(jmp_buf env, int value)
{
	jump_prepare(env);
	REAL(_longjmp)(env, value);
	__builtin_unreachable();
}

INTERPOSED _Noreturn void __longjmp_chk(struct __jmp_buf_tag *env, int value)
{
	jump_prepare(env);
	REAL(__longjmp_chk)(env, value);
	__builtin_unreachable();
}
