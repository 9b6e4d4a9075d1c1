/* SPDX-License-Identifier: BSD-3-Clause */
#include "mmio_rig.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "interpose/mmio.h"
#include "memory/fault.h"

struct rig rig;
__thread sigjmp_buf rig_escape;
__thread volatile sig_atomic_t rig_signal;

static void log_access(bool write, uint64_t off, unsigned size)
{
	unsigned n = __atomic_fetch_add(&rig.accesses, 1, __ATOMIC_RELAXED);

	if (n < RIG_LOG)
		rig.log[n] = (struct rig_access){ write, off, size };
}

/* @opaque: where the piece starts in the BAR. */
static void rig_read(void *opaque, uint64_t off, void *buf, unsigned size)
{
	off += (uintptr_t)opaque;
	log_access(false, off, size);
	memcpy(buf, rig.regs + off, size);
}

static void rig_write(void *opaque, uint64_t off, const void *buf, unsigned size)
{
	off += (uintptr_t)opaque;
	log_access(true, off, size);
	memcpy(rig.regs + off, buf, size);
}

static bool rig_find(uintptr_t addr, struct mmio_target *out)
{
	uint64_t off = addr - (uintptr_t)rig.bar;
	uint64_t first = off >= rig.split ? rig.split : 0;
	uint64_t end = off >= rig.split ? RIG_LEN : rig.split;

	if (off >= RIG_LEN)
		return false;
	*out = (struct mmio_target){
		.base = (uintptr_t)rig.bar + first,
		.len = end - first,
		.opaque = (void *)first,
		.read = rig_read,
		.write = rig_write,
	};
	return true;
}

static void rig_handler(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	uintptr_t addr = (uintptr_t)info->si_addr;
	gregset_t before;
	int ret;

	__atomic_store_n(&rig.frame, __builtin_frame_address(0), __ATOMIC_RELAXED);
	if (fault_fixup(uc))
		return;
	if (sig == SIGSEGV && addr - (uintptr_t)rig.bar < RIG_LEN) {
		memcpy(before, uc->uc_mcontext.gregs, sizeof(before));
		ret = mmio_execute(uc, addr, rig_find);
		if (!ret)
			return;
		rig.refused = ret;
		rig.changed = memcmp(before, uc->uc_mcontext.gregs, sizeof(before));
	}
	rig_signal = sig;
	siglongjmp(rig_escape, 1);
}

void rig_init(void)
{
	rig.bar = mmap(NULL, RIG_LEN + 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (rig.bar == MAP_FAILED || mprotect(rig.bar, RIG_LEN, PROT_NONE))
		abort();
}

void rig_take_signals(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	struct sigaction action = {
		.sa_sigaction = rig_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK,
	};

	sigfillset(&action.sa_mask);
	for (unsigned i = 0; i < 4; i++)
		sigdelset(&action.sa_mask, signals[i]);
	for (unsigned i = 0; i < 4; i++)
		sigaction(signals[i], &action, NULL);
}

void rig_clear(void)
{
	rig.accesses = 0;
	rig.split = 0;
}
