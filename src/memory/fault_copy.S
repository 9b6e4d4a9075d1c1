/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The copy is written in assembly for three reasons: each instruction that may
 * fault can be named in the exception table; the fault leaves the progress in
 * known registers, so the count of bytes not copied is exact; and sanitizers
 * do not instrument it.
 *
 * Invariant of the copy: at every instruction in the table rdi, rsi and rdx
 * are the destination, source and length of what is not known to be copied.
 * The fix-up restarts there byte by byte, and the byte that faults again ends
 * it. Without a fault each byte is loaded once and stored once, and aligned
 * pieces of 1, 2, 4 and 8 bytes by a single store, low addresses first: a
 * program that polls a flag and clears it never sees the flag stored twice.
 *
 * Entries are offsets relative to themselves, so the table needs no relocation
 * and is valid before our constructors ran.
 *
 * Above COPY_REP_MIN bytes `rep movsb` beats a loop of 16-byte moves (it is
 * equal to memcpy from 4 KiB on); below, its start-up costs more.
 */

#define COPY_REP_MIN 1024

/* An instruction that may fault, and the label that takes over: struct fault_entry. */
#define MAY_FAULT(fixup, ...)             \
90:	__VA_ARGS__;                      \
	.pushsection rf_fault_table, "a"; \
	.balign 4;                        \
	.long 90b - .;                    \
	.long fixup - .;                  \
	.popsection

#define COPY(...) MAY_FAULT(.Lcopy_bytewise, __VA_ARGS__)

	.text
	.hidden fault_text_first
	.hidden fault_text_end
	.globl fault_text_first
	.globl fault_text_end
fault_text_first:

/* size_t fault_copy(void *dst, const void *src, size_t len) */
	.globl fault_copy
	.hidden fault_copy
	.type fault_copy, @function
	.p2align 5
fault_copy:
	.cfi_startproc
	cmp $8, %rdx
	je .Lcopy_8
	jb .Lcopy_below_8
	cmp $64, %rdx
	jb .Lcopy_below_64
	cmp $COPY_REP_MIN, %rdx
	jae .Lcopy_bytewise
	.p2align 4
.Lcopy_64:	/* a block: loads first, so that a bad source stores nothing */
	COPY(movdqu (%rsi), %xmm0)
	COPY(movdqu 16(%rsi), %xmm1)
	COPY(movdqu 32(%rsi), %xmm2)
	COPY(movdqu 48(%rsi), %xmm3)
	COPY(movdqu %xmm0, (%rdi))
	COPY(movdqu %xmm1, 16(%rdi))
	COPY(movdqu %xmm2, 32(%rdi))
	COPY(movdqu %xmm3, 48(%rdi))
	add $64, %rsi
	add $64, %rdi
	sub $64, %rdx
	cmp $64, %rdx
	jae .Lcopy_64
.Lcopy_below_64:
	test $32, %dl
	jz 1f
	COPY(movdqu (%rsi), %xmm0)
	COPY(movdqu 16(%rsi), %xmm1)
	COPY(movdqu %xmm0, (%rdi))
	COPY(movdqu %xmm1, 16(%rdi))
	add $32, %rsi
	add $32, %rdi
	sub $32, %rdx
1:
	test $16, %dl
	jz 1f
	COPY(mov (%rsi), %rax)
	COPY(mov 8(%rsi), %rcx)
	COPY(mov %rax, (%rdi))
	COPY(mov %rcx, 8(%rdi))
	add $16, %rsi
	add $16, %rdi
	sub $16, %rdx
1:
	test $8, %dl
	jz .Lcopy_below_8
.Lcopy_8:
	COPY(mov (%rsi), %rax)
	COPY(mov %rax, (%rdi))
	add $8, %rsi
	add $8, %rdi
	sub $8, %rdx
	jz .Lcopy_done
.Lcopy_below_8:
	test $4, %dl
	jz 1f
	COPY(mov (%rsi), %eax)
	COPY(mov %eax, (%rdi))
	add $4, %rsi
	add $4, %rdi
	sub $4, %rdx
1:
	test $2, %dl
	jz 1f
	COPY(movzwl (%rsi), %eax)
	COPY(mov %ax, (%rdi))
	add $2, %rsi
	add $2, %rdi
	sub $2, %rdx
1:
	test %edx, %edx
	jz .Lcopy_done
	COPY(movzbl (%rsi), %eax)
	COPY(mov %al, (%rdi))
.Lcopy_done:
	xor %eax, %eax
	ret
.Lcopy_bytewise:
	mov %rdx, %rcx
	MAY_FAULT(.Lcopy_stopped, rep movsb)
.Lcopy_stopped:	/* rcx: not copied; 0 when it ran through */
	mov %rcx, %rax
	ret
	.cfi_endproc
	.size fault_copy, . - fault_copy

/* bool fault_can_read(const void *addr) */
	.globl fault_can_read
	.hidden fault_can_read
	.type fault_can_read, @function
	.p2align 4
fault_can_read:
	.cfi_startproc
	MAY_FAULT(.Lcannot, movzbl (%rdi), %eax)
	mov $1, %eax
	ret
	.cfi_endproc
	.size fault_can_read, . - fault_can_read

/* bool fault_can_write(void *addr): a locked OR of nothing changes no bit */
	.globl fault_can_write
	.hidden fault_can_write
	.type fault_can_write, @function
	.p2align 4
fault_can_write:
	.cfi_startproc
	MAY_FAULT(.Lcannot, lock orb $0, (%rdi))
	mov $1, %eax
	ret
.Lcannot:
	xor %eax, %eax
	ret
	.cfi_endproc
	.size fault_can_write, . - fault_can_write
fault_text_end:

	.section .note.GNU-stack, "", @progbits
