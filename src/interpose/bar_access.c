/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses to BARs: by an instruction that trapped, and by a system call that
 * was given a pointer into one.
 *
 * Both look for the view inside the gate and stay in it while the model runs:
 * neither the set nor the file it refers to goes away meanwhile. No lock of the
 * mappings is taken here.
 *
 * With COMMAND.MEMORY off, or in D3, an access is a bus error; EFAULT to a system
 * call. In a child that has inherited a mapping, but no descriptor to reach its
 * parent by, loads give ones and stores are dropped.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/stats.h"
#include "bus/device.h"
#include "interpose/bar.h"
#include "interpose/bar_private.h"
#include "interpose/doorbell.h"
#include "interpose/engine.h"
#include "interpose/fork.h"
#include "interpose/holder.h"
#include "interpose/mmio.h"
#include "interpose/stack.h"
#include "memory/fault.h"

/* Bits of the page fault's error code in the signal frame. */
#define FAULT_WRITE (1u << 1)
#define FAULT_FETCH (1u << 4)

bool bar_memory_is_off(struct rf_device *dev)
{
	bool off;

	if (!dev || config_memory_enabled(dev))
		return false;
	device_lock(dev);
	off = !config_memory_enabled(dev);
	device_unlock(dev);
	return off;
}

/* This thread's access found that the device, which is another process's, answers none. */
static __thread bool refused __attribute__((tls_model("initial-exec")));

static void view_load(void *opaque, uint64_t off, void *buf, unsigned size)
{
	const struct bar_view *v = opaque;

	if (v->dev && config_memory_enabled(v->dev))
		bar_read_bytes(v->dev, v->bar, v->offset + off, buf, size);
	else if (v->file && !v->dev)
		refused |= holder_load(v->file, v->bar, v->offset + off, buf, size) == -EIO;
	else
		memset(buf, 0xff, size);
}

static void view_store(void *opaque, uint64_t off, const void *buf, unsigned size)
{
	static atomic_bool told;
	const struct bar_view *v = opaque;

	if (v->file && !v->dev) {
		refused |= holder_store(v->file, v->bar, v->offset + off, buf, size) == -EIO;
		return;
	}
	if (!v->dev) {
		if (!atomic_exchange(&told, true))
			log_line(LOG_WARN, "a child writes to its parent's device, which it has no "
					   "descriptor of: ignored");
		return;
	}
	if (!config_memory_enabled(v->dev))
		return;
	bar_write_bytes(v->dev, v->bar, v->offset + off, buf, size);
	if (bar_page_kind(v->dev, v->bar, v->offset + off) == RF_AREA_DOORBELL)
		doorbell_rung(v->dev);
}

static bool view_target(uintptr_t addr, struct mmio_target *out)
{
	const struct bar_view *v = bar_views_find(bar_views_now, addr);

	if (!v)
		return false;
	out->base = v->first;
	out->len = v->last - v->first + 1;
	out->opaque = (void *)v;
	out->read = view_load;
	out->write = view_store;
	return true;
}

/* On a stack of the engine's. */
static long fault_execute(ucontext_t *uc, uintptr_t addr)
{
	int ret = mmio_execute(uc, addr, view_target);

	if (ret)
		log_line(LOG_ERROR, "instruction at %#llx cannot access a BAR (at %#lx): %s",
			 (unsigned long long)uc->uc_mcontext.gregs[REG_RIP], (unsigned long)addr,
			 mmio_refusal());
	return ret;
}

/* The signal that the instruction ends in, 0: it has been executed. */
static int fault_answer(ucontext_t *uc, uintptr_t addr, struct rf_device *dev)
{
	gregset_t before;

	if (bar_memory_is_off(dev))
		return SIGBUS;
	memcpy(before, uc->uc_mcontext.gregs, sizeof(before));
	refused = false;
	if (stack_call(fault_execute, uc, addr))
		return SIGSEGV;
	if (!refused)
		return 0;
	/* it has not happened */
	memcpy(uc->uc_mcontext.gregs, before, sizeof(before));
	return SIGBUS;
}

/* Whether the program may do to @v what faulted. */
static bool fault_is_allowed(const ucontext_t *uc, const struct bar_view *v)
{
	unsigned long err = (unsigned long)uc->uc_mcontext.gregs[REG_ERR];

	if (err & FAULT_FETCH)
		return false;
	return v->prot & (err & FAULT_WRITE ? PROT_WRITE : PROT_READ | PROT_WRITE);
}

int bar_fault(ucontext_t *uc, uintptr_t addr)
{
	const struct bar_view *v;
	int saved = errno;
	unsigned token;
	int sig = SIGSEGV;

	if (!bar_any())
		return sig;
	fork_settle();
	token = gate_enter(&bar_views_gate);
	v = bar_views_find(bar_views_now, addr);
	if (v && fault_is_allowed(uc, v)) {
		stats_add(&stats()->mmio_traps, 1);
		sig = fault_answer(uc, addr, v->dev);
	}
	gate_leave(&bar_views_gate, token);
	errno = saved;
	return sig;
}

struct copying {
	uint8_t *memory; /* moves on */
	bool to_bar;
};

static int copy_view(const struct bar_view *piece, void *arg)
{
	struct copying *c = arg;
	size_t len = piece->last - piece->first + 1;

	if (!(piece->prot & (c->to_bar ? PROT_WRITE : PROT_READ | PROT_WRITE)))
		return -EFAULT;
	if (bar_memory_is_off(piece->dev))
		return -EFAULT;
	refused = false;
	if (c->to_bar)
		view_store((void *)piece, 0, c->memory, (unsigned)len);
	else
		view_load((void *)piece, 0, c->memory, (unsigned)len);
	c->memory += len;
	return refused ? -EFAULT : 0;
}

static int copy_other(void *addr, size_t len, void *arg)
{
	struct copying *c = arg;
	size_t left =
		c->to_bar ? fault_copy(addr, c->memory, len) : fault_copy(c->memory, addr, len);

	c->memory += len;
	return left ? -EFAULT : 0;
}

/* Inside the gate, like a fault: the model may run for long. */
static int copy(uintptr_t addr, size_t len, struct copying *c)
{
	unsigned token;
	int ret;

	fork_settle();
	token = gate_enter(&bar_views_gate);
	ret = bar_views_walk(&bar_views_now, addr, len, copy_view, copy_other, c);
	gate_leave(&bar_views_gate, token);
	return ret;
}

int bar_copy_from(void *dst, uintptr_t src, size_t len)
{
	struct copying c = { .memory = dst };

	return copy(src, len, &c);
}

int bar_copy_to(uintptr_t dst, const void *src, size_t len)
{
	struct copying c = { .memory = (uint8_t *)src, .to_bar = true };

	return copy(dst, len, &c);
}
