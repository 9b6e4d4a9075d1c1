/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfork(). Its child has our memory, and execs with our descriptors while we stand
 * still: whoever shall serve them there must be at work before.
 *
 * The function returns twice, on the same stack: so it cannot be called from one of
 * ours. We go before it and jump there, with the stack as we found it.
 */
#include <unistd.h>

#include "interpose/real.h"
#include "interpose/service.h"

typedef pid_t vfork_fn(void);

/* Before the child is made; returns libc's own vfork(). */
vfork_fn *vfork_prepare(void);

__attribute__((used)) vfork_fn *vfork_prepare(void)
{
	service_start_for_exec();
	return REAL(vfork);
}

__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call vfork_prepare\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	jmp *%rax\n"
	"	.cfi_endproc\n"
	".size vfork, . - vfork\n");
