/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a trapped access to a device register costs beside a bare signal (the
 * kernel's part, which nothing here can shorten), and a fault-safe copy beside
 * memcpy. The batches of both take turns.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "bench.h"
#include "interpose/mmio.h"
#include "memory/fault.h"

#define BAR_LEN 65536
#define SIGNAL	"a bare SIGSEGV, delivered and returned from"

static uint8_t *bar;
static uint8_t regs[BAR_LEN];
static unsigned step; /* nonzero: the handler only steps over this many bytes */

static void device_read(void *opaque, uint64_t off, void *buf, unsigned size)
{
	memcpy(buf, regs + off, size);
}

static void device_write(void *opaque, uint64_t off, const void *buf, unsigned size)
{
	memcpy(regs + off, buf, size);
}

static bool device_find(uintptr_t addr, struct mmio_target *out)
{
	if (addr - (uintptr_t)bar >= BAR_LEN)
		return false;
	*out = (struct mmio_target){
		.base = (uintptr_t)bar,
		.len = BAR_LEN,
		.read = device_read,
		.write = device_write,
	};
	return true;
}

static void handler(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	if (step) {
		uc->uc_mcontext.gregs[REG_RIP] += step;
		return;
	}
	if (fault_fixup(uc) || !mmio_execute(uc, (uintptr_t)info->si_addr, device_find))
		return;
	fprintf(stderr, "bench_trap: %s\n", mmio_refusal());
	_Exit(1);
}

/* Medians of @run in *value and of @peer in *beside, in ns an operation. */
static void measure(void (*run)(uint64_t count), void (*peer)(uint64_t count), uint64_t count,
		    double *value, double *beside)
{
	double runs[BATCHES], peers[BATCHES];

	run(count / 4);
	for (unsigned b = 0; b < BATCHES; b++) {
		peers[b] = batch(peer, count);
		runs[b] = batch(run, count);
	}
	*value = median_of(runs, BATCHES);
	*beside = median_of(peers, BATCHES);
}

static void pair(const char *name, void (*run)(uint64_t count), void (*peer)(uint64_t count),
		 const char *peer_name, uint64_t count)
{
	double value, beside;

	measure(run, peer, count, &value, &beside);
	row(name, value, "ns", beside, peer_name, "less");
}

static void store_32(uint64_t count)
{
	while (count--)
		__asm__ volatile("movl %%eax, (%0)" : : "D"(bar) : "memory");
}

static void bare_signal(uint64_t count)
{
	step = 2; /* the length of the store */
	store_32(count);
	step = 0;
}

static void load_32(uint64_t count)
{
	uint32_t value;

	while (count--)
		__asm__ volatile("movl (%1), %0" : "=a"(value) : "D"(bar));
}

static void or_locked(uint64_t count)
{
	while (count--)
		__asm__ volatile("lock orl $1, (%0)" : : "D"(bar) : "memory", "cc");
}

static void test_immediate(uint64_t count)
{
	while (count--)
		__asm__ volatile("testl $1, (%0)" : : "D"(bar) : "memory", "cc");
}

static void store_16_bytes(uint64_t count)
{
	while (count--)
		__asm__ volatile("movups %%xmm0, (%0)" : : "D"(bar) : "memory");
}

static void store_64_bytes(uint64_t count)
{
	while (count--)
		__asm__ volatile("vmovdqu64 %%zmm0, (%0)" : : "D"(bar) : "memory");
	__asm__ volatile("vzeroupper");
}

static void load_64_bytes(uint64_t count)
{
	while (count--)
		__asm__ volatile("vmovdqu64 (%0), %%zmm16" : : "D"(bar) : "memory");
	__asm__ volatile("vpxorq %%zmm16, %%zmm16, %%zmm16; vzeroupper" ::);
}

static void move_string(uint64_t count)
{
	static uint8_t block[64];

	while (count--) {
		void *to = bar, *from = block;
		uint64_t left = 16;

		__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(left) : : "memory");
	}
}

static uint8_t *readable;

static void load_readable(uint64_t count)
{
	uint32_t value;

	while (count--)
		__asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(readable));
}

static uint8_t source[8192] __attribute__((aligned(4096)));
static uint8_t target[8192] __attribute__((aligned(4096)));
static void *(*volatile plain_copy)(void *, const void *, size_t) = memcpy;

#define COPIES(len)                                      \
	static void safe_##len(uint64_t count)           \
	{                                                \
		while (count--)                          \
			fault_copy(target, source, len); \
	}                                                \
	static void plain_##len(uint64_t count)          \
	{                                                \
		while (count--)                          \
			plain_copy(target, source, len); \
	}

COPIES(8)
COPIES(64)
COPIES(512)
COPIES(4096)

static void copy_faults(uint64_t count)
{
	while (count--)
		fault_copy(target, bar, 64);
}

int main(void)
{
	struct sigaction action = {
		.sa_sigaction = handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK,
	};

	bar = mmap(NULL, BAR_LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	readable = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bar == MAP_FAILED || readable == MAP_FAILED)
		return 1;
	memset(source, 1, sizeof(source));
	memset(target, 2, sizeof(target));
	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGSEGV);
	sigdelset(&action.sa_mask, SIGBUS);
	sigaction(SIGSEGV, &action, NULL);

	pair("trap: 32-bit store", store_32, bare_signal, SIGNAL, 2000);
	pair("trap: 32-bit load", load_32, bare_signal, SIGNAL, 2000);
	pair("trap: lock or", or_locked, bare_signal, SIGNAL, 2000);
	pair("trap: test with an immediate", test_immediate, bare_signal, SIGNAL, 2000);
	pair("trap: 16-byte vector store", store_16_bytes, bare_signal, SIGNAL, 2000);
	if (__builtin_cpu_supports("avx512f")) {
		pair("trap: 64-byte vector store", store_64_bytes, bare_signal, SIGNAL, 2000);
		pair("trap: 64-byte vector load", load_64_bytes, bare_signal, SIGNAL, 2000);
	}
	pair("trap: 16 words by rep movs", move_string, bare_signal, SIGNAL, 1000);
	pair("load from a page shown read-only", load_readable, load_readable, "the same load",
	     1000000);
	pair("fault-safe copy of 8 bytes", safe_8, plain_8, "memcpy", 1000000);
	pair("fault-safe copy of 64 bytes", safe_64, plain_64, "memcpy", 1000000);
	pair("fault-safe copy of 512 bytes", safe_512, plain_512, "memcpy", 200000);
	pair("fault-safe copy of 4096 bytes", safe_4096, plain_4096, "memcpy", 100000);
	pair("fault-safe copy that faults", copy_faults, bare_signal, SIGNAL, 2000);
	rows_end();
	return 0;
}
