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
 *
 * No locks; installing is guarded by install_lock, never taken in a handler.
 */
#include "memory/fault.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

struct fault_entry {
	int32_t insn; /* the instruction, relative to this field */
	int32_t fixup; /* where to resume, relative to this field */
};

extern const struct fault_entry __start_rf_fault_table[] __attribute__((visibility("hidden")));
extern const struct fault_entry __stop_rf_fault_table[] __attribute__((visibility("hidden")));
extern const char fault_text_first[] __attribute__((visibility("hidden")));
extern const char fault_text_end[] __attribute__((visibility("hidden")));

/* The instruction that may fault, and the label that takes over. */
#define MAY_FAULT(insn, fixup)                        \
	"90:	" insn "\n"                           \
	"	.pushsection rf_fault_table, \"a\"\n" \
	"	.balign 4\n"                          \
	"	.long 90b - .\n"                      \
	"	.long " fixup " - .\n"                \
	"	.popsection\n"

#define COPY(insn)   MAY_FAULT(insn, ".Lcopy_bytewise")

#define COPY_REP_MIN "1024"

__asm__(".text\n"
	".hidden fault_text_first\n"
	".hidden fault_text_end\n"
	".globl fault_text_first\n"
	".globl fault_text_end\n"
	"fault_text_first:\n"

	/* size_t fault_copy(void *dst, const void *src, size_t len) */
	"	.globl fault_copy\n"
	"	.hidden fault_copy\n"
	"	.type fault_copy, @function\n"
	"	.p2align 5\n"
	"fault_copy:\n"
	"	.cfi_startproc\n"
	"	cmp $8, %rdx\n"
	"	je .Lcopy_8\n"
	"	jb .Lcopy_below_8\n"
	"	cmp $64, %rdx\n"
	"	jb .Lcopy_below_64\n"
	"	cmp $" COPY_REP_MIN ", %rdx\n"
	"	jae .Lcopy_bytewise\n"

	"	.p2align 4\n"
	".Lcopy_64:\n" /* a block: loads first, so that a bad source stores nothing */
	COPY("movdqu (%rsi), %xmm0")
		COPY("movdqu 16(%rsi), %xmm1")
			COPY("movdqu 32(%rsi), %xmm2")
				COPY(
					"movdqu 48(%rsi), %xmm3") COPY("movdqu %xmm0, (%rdi)") COPY("movdqu %xmm1, 16(%rdi)") COPY("movdqu %xmm2, 32(%rdi)") COPY("movdqu %xmm3, 48(%rdi)") "	add $64, %rsi\n"
																							    "	add $64, %rdi\n"
																							    "	sub $64, %rdx\n"
																							    "	cmp $64, %rdx\n"
																							    "	jae .Lcopy_64\n"

																							    ".Lcopy_below_64:\n"
																							    "	test $32, %dl\n"
																							    "	jz 1f\n" COPY(
																								    "movdqu (%rsi), %xmm0") COPY("movdqu 16(%rsi), %xmm1") COPY("movdqu %xmm0, (%rdi)") COPY("movdqu %xmm1, 16(%rdi)") "	add $32, %rsi\n"
																																						       "	add $32, %rdi\n"
																																						       "	sub $32, %rdx\n"
																																						       "1:	test $16, %dl\n"
																																						       "	jz 1f\n" COPY(
																																							       "mov (%rsi), %rax")
																																							       COPY("mov 8(%rsi), %rcx")
																																								       COPY("mov %rax, (%rdi)") COPY("mov %rcx, 8(%rdi)") "	add $16, %rsi\n"
																																															  "	add $16, %rdi\n"
																																															  "	sub $16, %rdx\n"
																																															  "1:	test $8, %dl\n"
																																															  "	jz .Lcopy_below_8\n"
																																															  ".Lcopy_8:\n" COPY("mov (%rsi), %rax") COPY("mov %rax, (%rdi)") "	add $8, %rsi\n"
																																																							  "	add $8, %rdi\n"
																																																							  "	sub $8, %rdx\n"
																																																							  "	jz .Lcopy_done\n"
																																																							  ".Lcopy_below_8:\n"
																																																							  "	test $4, %dl\n"
																																																							  "	jz 1f\n" COPY("mov (%rsi), %eax") COPY(
																																																								  "mov %eax, (%rdi)") "	add $4, %rsi\n"
																																																										      "	add $4, %rdi\n"
																																																										      "	sub $4, %rdx\n"
																																																										      "1:	test $2, %dl\n"
																																																										      "	jz 1f\n" COPY(
																																																											      "movzwl (%rsi), %eax")
																																																											      COPY("mov %ax, (%rdi)") "	add $2, %rsi\n"
																																																														      "	add $2, %rdi\n"
																																																														      "	sub $2, %rdx\n"
																																																														      "1:	test %edx, %edx\n"
																																																														      "	jz .Lcopy_done\n" COPY(
																																																															      "movzbl (%rsi), %eax")
																																																															      COPY(
																																																																      "mov %al, (%rdi)") ".Lcopy_done:\n"
																																																																			 "	xor %eax, %eax\n"
																																																																			 "	ret\n"

																																																																			 ".Lcopy_bytewise:\n"
																																																																			 "	mov %rdx, %rcx\n" MAY_FAULT("rep movsb", ".Lcopy_stopped") ".Lcopy_stopped:\n" /* rcx: not copied; 0 when it ran through */
																																																																											   "	mov %rcx, %rax\n"
																																																																											   "	ret\n"
																																																																											   "	.cfi_endproc\n"
																																																																											   "	.size fault_copy, . - fault_copy\n"

																																																																											   /* bool fault_can_read(const void *addr) */
																																																																											   "	.globl fault_can_read\n"
																																																																											   "	.hidden fault_can_read\n"
																																																																											   "	.type fault_can_read, @function\n"
																																																																											   "	.p2align 4\n"
																																																																											   "fault_can_read:\n"
																																																																											   "	.cfi_startproc\n" MAY_FAULT(
																																																																												   "movzbl (%rdi), %eax", ".Lcannot") "	mov $1, %eax\n"
																																																																																      "	ret\n"
																																																																																      "	.cfi_endproc\n"
																																																																																      "	.size fault_can_read, . - fault_can_read\n"

																																																																																      /* bool fault_can_write(void *addr): a locked OR of nothing changes no bit */
																																																																																      "	.globl fault_can_write\n"
																																																																																      "	.hidden fault_can_write\n"
																																																																																      "	.type fault_can_write, @function\n"
																																																																																      "	.p2align 4\n"
																																																																																      "fault_can_write:\n"
																																																																																      "	.cfi_startproc\n" MAY_FAULT("lock orb $0, (%rdi)", ".Lcannot") "	mov $1, %eax\n"
																																																																																								       "	ret\n"
																																																																																								       ".Lcannot:\n"
																																																																																								       "	xor %eax, %eax\n"
																																																																																								       "	ret\n"
																																																																																								       "	.cfi_endproc\n"
																																																																																								       "	.size fault_can_write, . - fault_can_write\n"

																																																																																								       "fault_text_end:\n");

static uintptr_t fault_target(const int32_t *field)
{
	return (uintptr_t)field + (uintptr_t)(intptr_t)*field;
}

bool fault_fixup(ucontext_t *uc)
{
	uintptr_t rip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	const struct fault_entry *entry;

	if (rip < (uintptr_t)fault_text_first || rip >= (uintptr_t)fault_text_end)
		return false;
	for (entry = __start_rf_fault_table; entry < __stop_rf_fault_table; entry++) {
		if (fault_target(&entry->insn) == rip) {
			uc->uc_mcontext.gregs[REG_RIP] = (greg_t)fault_target(&entry->fixup);
			return true;
		}
	}
	return false;
}

/*
 * What was installed before us, and stays in charge of every fault that is
 * not ours. Written once, before our handler can run.
 */
struct fault_previous {
	struct sigaction action;
	atomic_bool spent; /* SA_RESETHAND: its one shot is gone */
};

static struct fault_previous previous_segv, previous_bus;
static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static bool installed;

/* Die of the signal, as the default action would have it. */
static void fault_default(int sig, const siginfo_t *info)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	int saved = errno;

	sigaction(sig, &dfl, NULL);
	/* A real fault strikes again on return, for a core file at the right place. */
	if (info->si_code <= 0)
		raise(sig);
	errno = saved;
}

/* Call the previous handler as the kernel would have done. */
static void fault_chain(struct fault_previous *prev, int sig, siginfo_t *info, void *ctx)
{
	const struct sigaction *action = &prev->action;
	bool mode_info = action->sa_flags & SA_SIGINFO;
	sigset_t mask;

	if (!mode_info && action->sa_handler == SIG_IGN && info->si_code <= 0)
		return; /* sent by kill(); a fault cannot be ignored */
	if (!mode_info && (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN)) {
		fault_default(sig, info);
		return;
	}
	if ((action->sa_flags & (int)SA_RESETHAND) && atomic_exchange(&prev->spent, true)) {
		fault_default(sig, info);
		return;
	}

	mask = action->sa_mask;
	if (!(action->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	/* Ours blocks nothing, so the return from the signal undoes this. */
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	if (mode_info)
		action->sa_sigaction(sig, info, ctx);
	else
		action->sa_handler(sig);
}

static void fault_handler(int sig, siginfo_t *info, void *ctx)
{
	if (info->si_code > 0 && fault_fixup(ctx))
		return;
	fault_chain(sig == SIGBUS ? &previous_bus : &previous_segv, sig, info, ctx);
}

static int fault_install_one(int sig, struct fault_previous *prev)
{
	struct sigaction ours = {
		.sa_sigaction = fault_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK,
	};

	sigemptyset(&ours.sa_mask);
	/* Read it first: our handler must find it the moment it is in place. */
	if (sigaction(sig, NULL, &prev->action) || sigaction(sig, &ours, NULL))
		return -errno;
	return 0;
}

int fault_install(void)
{
	int ret = 0;

	pthread_mutex_lock(&install_lock);
	if (installed)
		goto out;
	ret = fault_install_one(SIGSEGV, &previous_segv);
	if (ret)
		goto out;
	ret = fault_install_one(SIGBUS, &previous_bus);
	if (ret) {
		sigaction(SIGSEGV, &previous_segv.action, NULL);
		goto out;
	}
	installed = true;
out:
	pthread_mutex_unlock(&install_lock);
	return ret;
}
