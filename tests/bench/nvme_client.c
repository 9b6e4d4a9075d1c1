/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * 4 KiB random I/O by a small polling NVMe driver on VFIO, beside memcpy of
 * the same bytes between regions of the same sizes. It knows nothing of
 * Ringfence: one queue pair, no interrupts, completions found by their phase.
 *
 *	nvme_client BDF read|write [--depth N] [--batch N] [--span MIB] [--seconds S]
 *
 * Fills the span with a pattern and reads all of it back first, so that no
 * figure comes from a device that lost data, or from pages that were never
 * written. Prints a JSON list; without --depth and --batch, a row each for
 * depth 64 with a doorbell a batch, depth 64 with one a command, and depth 1.
 */
#include <getopt.h>

#include "../container.h"
#include "bench.h"

#define BLOCK	    4096u
#define ENTRIES	    256u
#define DEPTH_MAX   (ENTRIES - 1)
#define ROUNDS	    7
#define TIMEOUT_S   10.0
#define WARM_UP_S   0.4
#define COPY_CHUNK  512u
#define IOVA	    0x100000ull
#define ARENA_RINGS (16u * BLOCK)
#define ARENA	    (ARENA_RINGS + ENTRIES * BLOCK)

/* where the rings are in the arena */
#define AT_ASQ	    0u
#define AT_ACQ	    BLOCK
#define AT_IDENTIFY (2 * BLOCK)
#define AT_SQ	    (4 * BLOCK)
#define AT_CQ	    (8 * BLOCK)

#define REG_CAP	    0x00
#define REG_CC	    0x14
#define REG_CSTS    0x1c
#define REG_AQA	    0x24
#define REG_ASQ	    0x28
#define REG_ACQ	    0x30
#define REG_DB	    0x1000

enum { OP_WRITE = 1, OP_READ = 2 };
enum { ADMIN_CREATE_SQ = 1, ADMIN_CREATE_CQ = 5, ADMIN_IDENTIFY = 6 };

struct command {
	uint32_t cdw0, nsid, rsvd[4];
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

struct completion {
	uint32_t result, rsvd;
	uint16_t sq_head, sq_id, cid, status;
};

struct queue {
	struct command *sq;
	volatile struct completion *cq;
	volatile uint32_t *tail_db, *head_db;
	uint32_t size, tail, head, rung;
	uint16_t phase;
};

static uint8_t *arena;
static uint8_t *bar;
static struct queue admin, io;
static unsigned lba_shift;
static uint64_t rng = 88172645463325252ull;
static volatile uint64_t sink;

static void die(const char *what)
{
	fprintf(stderr, "nvme_client: %s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

static double seconds_now(void)
{
	return now() / 1e9;
}

static uint64_t random_next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static volatile uint32_t *reg32(unsigned off)
{
	return (volatile uint32_t *)(bar + off);
}

static volatile uint64_t *reg64(unsigned off)
{
	return (volatile uint64_t *)(bar + off);
}

static void device_open(const char *address)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
					 .index = VFIO_PCI_BAR0_REGION_INDEX };
	struct vfio vfio;

	if (!vfio_open(&vfio, address))
		die(address);
	arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || !vfio_map(vfio.container, arena, ARENA, IOVA))
		die("map");
	if (ioctl(vfio.device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("BAR 0");
	bar = mmap(NULL, 0x2000, PROT_READ | PROT_WRITE, MAP_SHARED, vfio.device,
		   (off_t)info.offset);
	if (bar == MAP_FAILED)
		die("BAR 0");
}

static void queue_init(struct queue *q, unsigned id, uint32_t size, unsigned sq, unsigned cq)
{
	unsigned stride = 4u << (*reg64(REG_CAP) >> 32 & 0xf);

	*q = (struct queue){ .sq = (struct command *)(arena + sq),
			     .cq = (volatile struct completion *)(arena + cq),
			     .tail_db = reg32(REG_DB + 2 * id * stride),
			     .head_db = reg32(REG_DB + (2 * id + 1) * stride),
			     .size = size,
			     .phase = 1 };
}

static void queue_push(struct queue *q, const struct command *cmd)
{
	q->sq[q->tail] = *cmd;
	if (++q->tail == q->size)
		q->tail = 0;
}

/* Tell the device, unless there is nothing new. */
static void queue_ring(struct queue *q)
{
	if (q->rung == q->tail)
		return;
	q->rung = q->tail;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	*q->tail_db = q->tail;
}

/* The next completion's command id, or -1. */
static int queue_pop(struct queue *q)
{
	volatile struct completion *c = q->cq + q->head;
	uint16_t status = c->status;

	if ((status & 1) != q->phase)
		return -1;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (status >> 1) {
		fprintf(stderr, "nvme_client: a command failed with status 0x%x\n", status >> 1);
		exit(1);
	}
	if (++q->head == q->size) {
		q->head = 0;
		q->phase ^= 1;
	}
	return c->cid;
}

static void admin_run(struct command cmd)
{
	double limit = seconds_now() + TIMEOUT_S;

	queue_push(&admin, &cmd);
	queue_ring(&admin);
	while (queue_pop(&admin) < 0)
		if (seconds_now() > limit)
			die("admin command timed out");
	*admin.head_db = admin.head;
}

static void controller_wait(uint32_t ready)
{
	double limit = seconds_now() + TIMEOUT_S;

	while ((*reg32(REG_CSTS) & 1) != ready)
		if (seconds_now() > limit)
			die("controller timed out");
}

static void controller_start(void)
{
	*reg32(REG_CC) = 0;
	controller_wait(0);
	*reg32(REG_AQA) = 15 << 16 | 15;
	*reg64(REG_ASQ) = IOVA + AT_ASQ;
	*reg64(REG_ACQ) = IOVA + AT_ACQ;
	queue_init(&admin, 0, 16, AT_ASQ, AT_ACQ);
	*reg32(REG_CC) = 4 << 20 | 6 << 16 | 1;
	controller_wait(1);

	queue_init(&io, 1, ENTRIES, AT_SQ, AT_CQ);
	admin_run((struct command){ .cdw0 = ADMIN_CREATE_CQ,
				    .prp1 = IOVA + AT_CQ,
				    .cdw10 = (ENTRIES - 1) << 16 | 1,
				    .cdw11 = 1 });
	admin_run((struct command){ .cdw0 = ADMIN_CREATE_SQ,
				    .prp1 = IOVA + AT_SQ,
				    .cdw10 = (ENTRIES - 1) << 16 | 1,
				    .cdw11 = 1 << 16 | 1 });
}

/* Blocks of 4 KiB that the namespace holds. */
static uint64_t namespace_blocks(void)
{
	const uint8_t *id = arena + AT_IDENTIFY;
	uint64_t lbas;

	admin_run((struct command){
		.cdw0 = ADMIN_IDENTIFY, .nsid = 1, .prp1 = IOVA + AT_IDENTIFY, .cdw10 = 0 });
	memcpy(&lbas, id, sizeof(lbas));
	lba_shift = id[128 + 4 * (id[26] & 0xf) + 2];
	return lbas >> (12 - lba_shift);
}

static uint8_t *slot_buffer(unsigned slot)
{
	return arena + ARENA_RINGS + slot * BLOCK;
}

static void io_push(unsigned op, unsigned slot, uint64_t block)
{
	uint64_t lba = block << (12 - lba_shift);

	queue_push(&io, &(struct command){ .cdw0 = slot << 16 | op,
					   .nsid = 1,
					   .prp1 = IOVA + ARENA_RINGS + slot * BLOCK,
					   .cdw10 = (uint32_t)lba,
					   .cdw11 = (uint32_t)(lba >> 32),
					   .cdw12 = (BLOCK >> lba_shift) - 1 });
}

static uint64_t pattern_word(uint64_t block, unsigned word)
{
	return (block << 9 | word) * 0x9e3779b97f4a7c15ull + 1;
}

/* Write or check the whole span in order, through 64 slots. */
static void pattern_pass(unsigned op, uint64_t blocks)
{
	uint64_t slots[64], next = 0, done = 0;
	double limit = seconds_now() + 60;
	unsigned slot, i;
	uint64_t *words;
	int cid;

	for (slot = 0; slot < 64; slot++)
		slots[slot] = UINT64_MAX;
	while (done < blocks) {
		for (slot = 0; slot < 64 && next < blocks; slot++) {
			if (slots[slot] != UINT64_MAX)
				continue;
			words = (uint64_t *)slot_buffer(slot);
			for (i = 0; i < BLOCK / 8; i++)
				words[i] = op == OP_WRITE ? pattern_word(next, i) : 0;
			slots[slot] = next;
			io_push(op, slot, next++);
		}
		queue_ring(&io);
		while ((cid = queue_pop(&io)) >= 0) {
			words = (uint64_t *)slot_buffer(cid);
			for (i = 0; op == OP_READ && i < BLOCK / 8; i++)
				if (words[i] != pattern_word(slots[cid], i)) {
					fprintf(stderr, "nvme_client: block %llu came back wrong\n",
						(unsigned long long)slots[cid]);
					exit(1);
				}
			slots[cid] = UINT64_MAX;
			done++;
		}
		*io.head_db = io.head;
		if (seconds_now() > limit)
			die("the pattern timed out");
	}
}

/* I/O for @seconds; commands a second. A doorbell every @batch commands, or when none is left. */
static double measure_io(unsigned op, unsigned depth, unsigned batch, uint64_t blocks,
			 double seconds)
{
	uint16_t free_slots[ENTRIES];
	unsigned nr_free = depth, pushed = 0, slot;
	uint64_t done = 0, idle = 0;
	double start, end;
	bool stop = false;
	int cid;

	for (slot = 0; slot < depth; slot++)
		free_slots[slot] = slot;
	start = end = seconds_now();
	while (!stop || nr_free < depth) {
		uint64_t before = done;

		while (!stop && nr_free) {
			io_push(op, free_slots[--nr_free], random_next() % blocks);
			if (++pushed == batch) {
				queue_ring(&io);
				pushed = 0;
			}
		}
		queue_ring(&io);
		pushed = 0;
		while ((cid = queue_pop(&io)) >= 0) {
			free_slots[nr_free++] = cid;
			done++;
		}
		if (done != before) {
			*io.head_db = io.head;
			idle = 0;
		} else if (!(++idle & 0xfffffff)) {
			die("completions stopped");
		}
		if (done / 256 != before / 256 || idle) {
			end = seconds_now();
			stop = end - start >= seconds;
		}
	}
	return (double)done / (end - start);
}

/* The limit: the same copies, between a region like the medium and the same buffers. */
static double measure_memcpy(unsigned op, unsigned depth, uint8_t *medium, uint64_t blocks,
			     double seconds)
{
	double start = seconds_now(), end;
	uint64_t done = 0;
	unsigned i;

	do {
		for (i = 0; i < COPY_CHUNK; i++) {
			uint8_t *at = medium + random_next() % blocks * BLOCK;
			uint8_t *buf = slot_buffer(i % depth);

			if (op == OP_READ)
				memcpy(buf, at, BLOCK);
			else
				memcpy(at, buf, BLOCK);
			sink += *(volatile uint64_t *)buf;
		}
		done += COPY_CHUNK;
		end = seconds_now();
	} while (end - start < seconds);
	return (double)done / (end - start);
}

static void measure(unsigned op, unsigned depth, unsigned doorbell, uint8_t *medium,
		    uint64_t blocks, double seconds)
{
	double ours[ROUNDS], copies[ROUNDS];
	char name[100];

	/* let whatever adapts itself to the load do so */
	measure_io(op, depth, doorbell, blocks, WARM_UP_S);
	/* turn by turn, so that a noisy neighbour disturbs both alike */
	for (unsigned i = 0; i < ROUNDS; i++) {
		ours[i] = measure_io(op, depth, doorbell, blocks, seconds / ROUNDS);
		copies[i] = measure_memcpy(op, depth, medium, blocks, seconds / ROUNDS);
	}
	snprintf(name, sizeof(name), "NVMe 4 KiB random %s, depth %u, doorbell per %s",
		 op == OP_READ ? "read" : "write", depth, doorbell > 1 ? "batch" : "command");
	row(name, median_of(ours, ROUNDS), "IOPS", median_of(copies, ROUNDS),
	    "memcpy of 4 KiB in the same run", depth == 64 ? "within 3 times" : "");
}

static void usage(void)
{
	fprintf(stderr, "usage: nvme_client BDF read|write [--depth N] [--batch N] [--span MIB] "
			"[--seconds S]\n");
	exit(2);
}

struct options {
	unsigned depth, batch, span;
	double seconds;
};

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = { { "depth", required_argument, NULL, 'd' },
					       { "batch", required_argument, NULL, 'b' },
					       { "span", required_argument, NULL, 's' },
					       { "seconds", required_argument, NULL, 't' },
					       { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (c) {
		case 'd':
			o->depth = atoi(optarg);
			break;
		case 'b':
			o->batch = atoi(optarg);
			break;
		case 's':
			o->span = atoi(optarg);
			break;
		case 't':
			o->seconds = atof(optarg);
			break;
		default:
			usage();
		}
	}
	if (o->depth > DEPTH_MAX || !o->span || o->seconds <= 0 || argc - optind != 2)
		usage();
}

int main(int argc, char **argv)
{
	struct options o = { .span = 256, .seconds = 1.0 };
	uint64_t blocks, all;
	uint8_t *medium;
	unsigned op;

	parse(argc, argv, &o);
	if (!strcmp(argv[optind + 1], "read"))
		op = OP_READ;
	else if (!strcmp(argv[optind + 1], "write"))
		op = OP_WRITE;
	else
		usage();

	device_open(argv[optind]);
	controller_start();
	all = namespace_blocks();
	blocks = (uint64_t)o.span << 8;
	if (blocks > all)
		blocks = all;
	pattern_pass(OP_WRITE, blocks);
	pattern_pass(OP_READ, blocks);

	medium = mmap(NULL, blocks * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (medium == MAP_FAILED)
		die("mmap");
	madvise(medium, blocks * BLOCK, MADV_HUGEPAGE);
	memset(medium, 0x5a, blocks * BLOCK);

	if (o.depth || o.batch) {
		unsigned depth = o.depth ? o.depth : 64;

		measure(op, depth, o.batch ? o.batch : depth, medium, blocks, o.seconds);
	} else {
		measure(op, 64, 64, medium, blocks, o.seconds);
		measure(op, 64, 1, medium, blocks, o.seconds);
		measure(op, 1, 1, medium, blocks, o.seconds);
	}
	rows_end();
	return 0;
}
