/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVMe model's I/O commands and their data transfers. */
#include <stdio.h>

#include "nvme_host.h"

#define PAGE 4096u

static void fill(struct host *h, uint64_t iova, size_t len, unsigned seed)
{
	uint8_t *at = fake_at(h->dev, iova);
	size_t i;

	for (i = 0; i < len; i++)
		at[i] = (uint8_t)(i * 31 + (i >> 8) + seed);
}

static void check(struct host *h, uint64_t iova, size_t len, unsigned seed, size_t from)
{
	const uint8_t *at = fake_at(h->dev, iova);
	size_t i;

	for (i = 0; i < len; i++)
		assert_int_equal(at[i], (uint8_t)((from + i) * 31 + ((from + i) >> 8) + seed));
}

static uint16_t rw(struct host *h, uint8_t opcode, uint64_t slba, uint32_t blocks, uint64_t prp1,
		   uint64_t prp2)
{
	return host_run(h, 1, host_rw(opcode, slba, blocks, prp1, prp2), NULL);
}

static void one_block_is_written_and_read(void **state)
{
	struct host *h = host_ready(NULL);

	fill(h, HOST_DATA, 512, 1);
	assert_int_equal(rw(h, NVME_IO_WRITE, 5, 1, HOST_DATA, 0), 0);
	assert_int_equal(rw(h, NVME_IO_READ, 5, 1, HOST_DATA + PAGE, 0), 0);
	check(h, HOST_DATA + PAGE, 512, 1, 0);
	/* its neighbours are untouched */
	assert_int_equal(rw(h, NVME_IO_READ, 4, 1, HOST_DATA + PAGE, 0), 0);
	assert_int_equal(*(uint8_t *)fake_at(h->dev, HOST_DATA + PAGE + 511), 0);
	host_free(h);
}

static void first_and_last_blocks_are_reachable_and_no_more(void **state)
{
	const char *props[] = { "size", "1M", NULL };
	struct host *h = host_ready(props);

	fill(h, HOST_DATA, PAGE, 3);
	assert_int_equal(rw(h, NVME_IO_WRITE, 0, 1, HOST_DATA, 0), 0);
	assert_int_equal(rw(h, NVME_IO_WRITE, 2040, 8, HOST_DATA, 0), 0);
	assert_int_equal(rw(h, NVME_IO_READ, 2040, 8, HOST_DATA + PAGE, 0), 0);
	check(h, HOST_DATA + PAGE, PAGE, 3, 0);
	assert_int_equal(rw(h, NVME_IO_READ, 2041, 8, HOST_DATA, 0), NVME_SC_LBA_RANGE);
	assert_int_equal(rw(h, NVME_IO_READ, 2048, 1, HOST_DATA, 0), NVME_SC_LBA_RANGE);
	assert_int_equal(rw(h, NVME_IO_WRITE, UINT64_MAX, 1, HOST_DATA, 0), NVME_SC_LBA_RANGE);
	assert_int_equal(rw(h, NVME_IO_WRITE, UINT64_MAX - 7, 8, HOST_DATA, 0), NVME_SC_LBA_RANGE);
	assert_int_equal(rw(h, NVME_IO_WRITE, UINT64_MAX - 7, 9, HOST_DATA, 0), NVME_SC_LBA_RANGE);
	host_free(h);
}

static void namespaces_do_not_overlap(void **state)
{
	const char *props[] = { "size", "2M", "namespaces", "2", NULL };
	struct host *h = host_ready(props);
	struct nvme_sqe sqe;

	fill(h, HOST_DATA, 512, 1);
	fill(h, HOST_DATA + PAGE, 512, 2);
	assert_int_equal(rw(h, NVME_IO_WRITE, 2047, 1, HOST_DATA, 0), 0);
	sqe = host_rw(NVME_IO_WRITE, 0, 1, HOST_DATA + PAGE, 0);
	sqe.nsid = 2;
	assert_int_equal(host_run(h, 1, sqe, NULL), 0);
	assert_int_equal(rw(h, NVME_IO_READ, 2047, 1, HOST_DATA + 2 * PAGE, 0), 0);
	check(h, HOST_DATA + 2 * PAGE, 512, 1, 0);
	assert_int_equal(rw(h, NVME_IO_READ, 0, 1, HOST_DATA + 2 * PAGE, 0), 0);
	assert_int_equal(*(uint8_t *)fake_at(h->dev, HOST_DATA + 2 * PAGE + 1), 0);
	assert_int_equal(rw(h, NVME_IO_READ, 2048, 1, HOST_DATA, 0), NVME_SC_LBA_RANGE);
	sqe.nsid = 0;
	assert_int_equal(host_run(h, 1, sqe, NULL), NVME_SC_INVALID_NAMESPACE);
	sqe.nsid = 3;
	assert_int_equal(host_run(h, 1, sqe, NULL), NVME_SC_INVALID_NAMESPACE);
	sqe.nsid = NVME_NSID_ALL;
	assert_int_equal(host_run(h, 1, sqe, NULL), NVME_SC_INVALID_NAMESPACE);
	host_free(h);
}

/*
 * A list of scattered pages for a transfer of @len at @prp1's offset: every
 * other page, from the far end. Returns PRP2.
 */
static uint64_t scatter(struct host *h, uint64_t list_at, uint64_t len, uint64_t offset,
			uint64_t *pages)
{
	uint64_t count = (offset + len + PAGE - 1) / PAGE;
	uint64_t i, at = list_at;

	for (i = 0; i < count; i++)
		pages[i] = HOST_DATA + (6ull << 20) - 2 * PAGE * (i + 1);
	if (count == 2)
		return pages[1];
	for (i = 1; i < count; i++) {
		uint64_t *entry = fake_at(h->dev, at);

		/* the last entry of a page leads on, when more than one is to come */
		if ((at + 8) % PAGE == 0 && i + 1 < count) {
			*entry = at + 8 + 16 * PAGE;
			at = *entry;
			entry = fake_at(h->dev, at);
		}
		*entry = pages[i];
		at += 8;
	}
	return list_at;
}

static void check_scattered(uint64_t len, uint64_t offset, uint64_t list_offset)
{
	const char *props[] = { "mdts", "9", NULL };
	struct host *h = host_ready(props);
	uint64_t pages[600], done, i, prp2;

	prp2 = scatter(h, HOST_LIST + list_offset, len, offset, pages);
	for (i = 0, done = 0; done < len; i++) {
		uint64_t at = i ? 0 : offset;
		uint64_t piece = len - done < PAGE - at ? len - done : PAGE - at;
		uint8_t *to = fake_at(h->dev, pages[i] + at);
		uint64_t k;

		for (k = 0; k < piece; k++)
			to[k] = (uint8_t)((done + k) * 31 + ((done + k) >> 8) + 9);
		done += piece;
	}
	assert_int_equal(rw(h, NVME_IO_WRITE, 64, len / 512, pages[0] + offset, prp2), 0);
	memset(fake_at(h->dev, HOST_DATA), 0, 6 << 20);
	assert_int_equal(rw(h, NVME_IO_READ, 64, len / 512, pages[0] + offset, prp2), 0);
	for (i = 0, done = 0; done < len; i++) {
		uint64_t at = i ? 0 : offset;
		uint64_t piece = len - done < PAGE - at ? len - done : PAGE - at;

		check(h, pages[i] + at, piece, 9, done);
		/* nothing beyond it in its page, nor in the page between */
		if (at + piece < PAGE)
			assert_int_equal(*(uint8_t *)fake_at(h->dev, pages[i] + at + piece), 0);
		assert_int_equal(*(uint8_t *)fake_at(h->dev, pages[i] + PAGE), 0);
		done += piece;
	}
	assert_int_equal(h->dev->warnings, 0);
	host_free(h);
}

static void scattered_pages_are_followed(void **state)
{
	check_scattered(512, 3584, 0); /* to the page's last byte */
	check_scattered(4096, 2048, 0); /* two pointers */
	check_scattered(8192, 0, 0); /* two pointers, whole */
	check_scattered(8192, 4, 0); /* a list, at a dword offset */
	check_scattered(12288, 0, 8); /* a list inside its page */
	check_scattered(12288, 0, PAGE - 16); /* exactly to the end of the list's page */
	check_scattered(16384, 0, PAGE - 16); /* one more: the last entry leads on */
	check_scattered(12288, 0, PAGE - 8); /* the list begins with a link */
	check_scattered(2 << 20, 0, 0); /* the largest: 511 entries */
	check_scattered(2 << 20, 512, 0); /* 512 entries fill the list's page */
	check_scattered(2 << 20, 512, 16); /* chained after 509 */
}

static void neighbouring_pages_are_copied_at_once(void **state)
{
	struct host *h = host_ready(NULL);
	uint64_t *list = fake_at(h->dev, HOST_LIST);
	uint64_t before;
	unsigned i;

	for (i = 0; i < 127; i++)
		list[i] = HOST_DATA + (i + 1) * PAGE;
	fill(h, HOST_DATA, 128 * PAGE, 5);
	before = h->dev->dmas;
	assert_int_equal(rw(h, NVME_IO_WRITE, 0, 1024, HOST_DATA, HOST_LIST), 0);
	/* command, list, data, two for the completion */
	assert_int_equal(h->dev->dmas - before, 5);
	memset(fake_at(h->dev, HOST_DATA), 0, 128 * PAGE);
	assert_int_equal(rw(h, NVME_IO_READ, 0, 1024, HOST_DATA, HOST_LIST), 0);
	check(h, HOST_DATA, 128 * PAGE, 5, 0);
	host_free(h);
}

static void bad_pointers_fail_before_any_data_moves(void **state)
{
	struct host *h = host_ready(NULL);
	uint64_t *list = fake_at(h->dev, HOST_LIST);
	uint8_t *data = fake_at(h->dev, HOST_DATA);

	fill(h, HOST_DATA + 8 * PAGE, PAGE, 7);
	assert_int_equal(rw(h, NVME_IO_WRITE, 0, 8, HOST_DATA + 8 * PAGE, 0), 0);
	list[0] = HOST_DATA + PAGE;
	list[1] = HOST_DATA + 3 * PAGE + 512;
	assert_int_equal(rw(h, NVME_IO_READ, 0, 24, HOST_DATA, HOST_LIST), NVME_SC_PRP_OFFSET);
	assert_int_equal(data[1], 0);
	assert_int_equal(rw(h, NVME_IO_READ, 0, 24, HOST_DATA, HOST_LIST + 4), NVME_SC_PRP_OFFSET);
	assert_int_equal(rw(h, NVME_IO_READ, 0, 16, HOST_DATA, HOST_DATA + PAGE + 512),
			 NVME_SC_PRP_OFFSET);
	assert_int_equal(rw(h, NVME_IO_READ, 0, 8, HOST_DATA + 2, 0), NVME_SC_PRP_OFFSET);
	/* a list that leads to itself ends, whatever it says */
	list[511] = HOST_LIST + PAGE - 8;
	assert_int_equal(rw(h, NVME_IO_READ, 0, 1024, HOST_DATA, HOST_LIST + PAGE - 8),
			 NVME_SC_PRP_OFFSET);
	list[511] = HOST_LIST;
	list[1] = 0;
	rw(h, NVME_IO_READ, 0, 1024, HOST_DATA, HOST_LIST + PAGE - 8);
	assert_int_equal(host_csts(h), NVME_CSTS_RDY);
	host_free(h);
}

static void transfers_beyond_mdts_are_refused(void **state)
{
	const char *props[] = { "mdts", "1", "wzsl", "2", NULL };
	struct host *h = host_ready(props);

	assert_int_equal(rw(h, NVME_IO_READ, 0, 16, HOST_DATA, HOST_DATA + PAGE), 0);
	assert_int_equal(rw(h, NVME_IO_READ, 0, 17, HOST_DATA, HOST_LIST), NVME_SC_INVALID_FIELD);
	assert_int_equal(rw(h, NVME_IO_WRITE, 0, 65536, HOST_DATA, HOST_LIST),
			 NVME_SC_INVALID_FIELD);
	assert_int_equal(rw(h, NVME_IO_WRITE_ZEROES, 0, 32, 0, 0), 0);
	assert_int_equal(rw(h, NVME_IO_WRITE_ZEROES, 0, 33, 0, 0), NVME_SC_INVALID_FIELD);
	host_free(h);
}

static void lists_fused_commands_and_unknown_opcodes_are_refused(void **state)
{
	static const uint8_t opcodes[] = { 0x04, 0x0c, 0x0d, 0x19, 0x7d, 0x80, 0xff };
	struct host *h = host_ready(NULL);
	struct nvme_sqe sqe = host_rw(NVME_IO_READ, 0, 1, HOST_DATA, 0);
	unsigned i;

	sqe.flags = 0x40;
	assert_int_equal(host_run(h, 1, sqe, NULL), NVME_SC_INVALID_FIELD);
	sqe.flags = 1;
	assert_int_equal(host_run(h, 1, sqe, NULL), NVME_SC_INVALID_FIELD);
	for (i = 0; i < sizeof(opcodes); i++)
		assert_int_equal(rw(h, opcodes[i], 0, 1, HOST_DATA, 0), NVME_SC_INVALID_OPCODE);
	host_free(h);
}

static void flush_takes_one_or_all_namespaces(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_sqe sqe = { .opcode = NVME_IO_FLUSH, .nsid = 1 };

	assert_int_equal(host_run(h, 1, sqe, NULL), 0);
	sqe.nsid = NVME_NSID_ALL;
	assert_int_equal(host_run(h, 1, sqe, NULL), 0);
	sqe.nsid = 0;
	assert_int_equal(host_run(h, 1, sqe, NULL), NVME_SC_INVALID_NAMESPACE);
	sqe.nsid = 2;
	assert_int_equal(host_run(h, 1, sqe, NULL), NVME_SC_INVALID_NAMESPACE);
	host_free(h);
}

/* Write a pattern over [0, 1 MiB), let @zero clear blocks, and see that exactly those are zero. */
static void check_zeroed(struct host *h, uint64_t slba, uint64_t blocks)
{
	uint8_t *block = fake_at(h->dev, HOST_DATA);
	uint64_t lba;

	for (lba = 0; lba < 2048; lba++) {
		bool zero = lba >= slba && lba < slba + blocks;

		assert_int_equal(rw(h, NVME_IO_READ, lba, 1, HOST_DATA, 0), 0);
		assert_int_equal(block[0], zero ? 0 : 0xa5);
		assert_int_equal(block[511], zero ? 0 : 0xa5);
	}
}

static void pattern(struct host *h)
{
	uint64_t lba;

	memset(fake_at(h->dev, HOST_DATA), 0xa5, PAGE);
	for (lba = 0; lba < 2048; lba += 8)
		assert_int_equal(rw(h, NVME_IO_WRITE, lba, 8, HOST_DATA, 0), 0);
}

static void zeroes_and_deallocation(const char *const *props)
{
	struct host *h = host_ready(props);
	struct nvme_dsm_range *ranges = fake_at(h->dev, HOST_LIST);
	struct nvme_sqe dsm = { .opcode = NVME_IO_DSM, .nsid = 1, .prp1 = HOST_LIST, .cdw10 = 1 };

	pattern(h);
	assert_int_equal(rw(h, NVME_IO_WRITE_ZEROES, 3, 5, 0, 0), 0);
	check_zeroed(h, 3, 5);
	pattern(h);
	assert_int_equal(rw(h, NVME_IO_WRITE_ZEROES, 11, 1901, 0, 0), 0);
	check_zeroed(h, 11, 1901);
	pattern(h);
	/* without the attribute nothing happens; with it, two ranges go */
	ranges[0] = (struct nvme_dsm_range){ .slba = 1, .blocks = 1000 };
	ranges[1] = (struct nvme_dsm_range){ .slba = 1001, .blocks = 7 };
	assert_int_equal(host_run(h, 1, dsm, NULL), 0);
	check_zeroed(h, 0, 0);
	dsm.cdw11 = NVME_DSM_DEALLOC;
	assert_int_equal(host_run(h, 1, dsm, NULL), 0);
	check_zeroed(h, 1, 1007);
	/* one bad range: none is touched */
	pattern(h);
	ranges[1].slba = 1ull << 60;
	assert_int_equal(host_run(h, 1, dsm, NULL), NVME_SC_LBA_RANGE);
	check_zeroed(h, 0, 0);
	assert_int_equal(rw(h, NVME_IO_WRITE_ZEROES, 2048, 1, 0, 0), NVME_SC_LBA_RANGE);
	host_free(h);
}

static void zeroes_and_deallocation_in_memory(void **state)
{
	const char *props[] = { "size", "1M", NULL };

	zeroes_and_deallocation(props);
}

static void zeroes_and_deallocation_in_a_file(void **state)
{
	const char *props[] = { "size", "1M", "file", "zeroes.img", NULL };

	remove("zeroes.img");
	zeroes_and_deallocation(props);
	assert_int_equal(remove("zeroes.img"), 0);
}

static void compare_finds_a_difference(const char *const *props)
{
	struct host *h = host_ready(props);
	uint64_t *list = fake_at(h->dev, HOST_LIST);
	uint8_t *data = fake_at(h->dev, HOST_DATA);

	list[0] = HOST_DATA + 4 * PAGE;
	list[1] = HOST_DATA + 2 * PAGE;
	fill(h, HOST_DATA, 5 * PAGE, 4);
	assert_int_equal(rw(h, NVME_IO_WRITE, 0, 24, HOST_DATA, HOST_LIST), 0);
	assert_int_equal(rw(h, NVME_IO_COMPARE, 0, 24, HOST_DATA, HOST_LIST), 0);
	data[3 * PAGE - 1] ^= 1;
	assert_int_equal(rw(h, NVME_IO_COMPARE, 0, 24, HOST_DATA, HOST_LIST), NVME_SC_COMPARE);
	assert_int_equal(rw(h, NVME_IO_COMPARE, 0, 23, HOST_DATA, HOST_LIST), 0);
	host_free(h);
}

static void compare_works_on_memory_and_file(void **state)
{
	const char *memory[] = { "size", "1M", NULL };
	const char *file[] = { "size", "1M", "file", "compare.img", NULL };

	compare_finds_a_difference(memory);
	remove("compare.img");
	compare_finds_a_difference(file);
	assert_int_equal(remove("compare.img"), 0);
}

static void large_blocks_work(void **state)
{
	const char *props[] = { "block-size", "4k", "size", "1M", NULL };
	struct host *h = host_ready(props);

	fill(h, HOST_DATA, 2 * PAGE, 8);
	assert_int_equal(rw(h, NVME_IO_WRITE, 254, 2, HOST_DATA, HOST_DATA + PAGE), 0);
	assert_int_equal(rw(h, NVME_IO_READ, 255, 1, HOST_DATA + 4 * PAGE, 0), 0);
	check(h, HOST_DATA + 4 * PAGE, PAGE, 8, PAGE);
	assert_int_equal(rw(h, NVME_IO_READ, 255, 2, HOST_DATA, HOST_DATA + PAGE),
			 NVME_SC_LBA_RANGE);
	host_free(h);
}

static void dma_that_fails_fails_only_its_command(void **state)
{
	struct host *h = host_ready(NULL);
	struct nvme_cqe cqe;

	h->dev->hole_first = HOST_DATA + PAGE;
	h->dev->hole_last = HOST_DATA + 2 * PAGE - 1;
	host_queue(h, 1, host_rw(NVME_IO_READ, 0, 8, HOST_DATA, 0));
	host_queue(h, 1, host_rw(NVME_IO_READ, 0, 16, HOST_DATA, HOST_DATA + PAGE));
	host_queue(h, 1, host_rw(NVME_IO_WRITE, 0, 8, HOST_DATA + PAGE, 0));
	host_queue(h, 1, host_rw(NVME_IO_READ, 0, 24, HOST_DATA, HOST_DATA + PAGE));
	host_queue(h, 1, host_rw(NVME_IO_READ, 0, 8, HOST_DATA, 0));
	host_kick(h, 1);
	assert_true(host_reap(h, 1, &cqe));
	assert_int_equal(cqe.status >> 1, 0);
	assert_true(host_reap(h, 1, &cqe));
	assert_int_equal(cqe.status >> 1, NVME_SC_DATA_TRANSFER);
	assert_true(host_reap(h, 1, &cqe));
	assert_int_equal(cqe.status >> 1, NVME_SC_DATA_TRANSFER);
	assert_true(host_reap(h, 1, &cqe));
	assert_int_equal(cqe.status >> 1, NVME_SC_DATA_TRANSFER);
	assert_true(host_reap(h, 1, &cqe));
	assert_int_equal(cqe.status >> 1, 0);
	assert_int_equal(host_csts(h), NVME_CSTS_RDY);
	host_free(h);
}

static void every_dma_may_fail_in_turn(void **state)
{
	unsigned nth;

	/* command, list, two segments, completion and its last dword: then none fails */
	for (nth = 1; nth <= 7; nth++) {
		struct host *h = host_ready(NULL);
		uint64_t *list = fake_at(h->dev, HOST_LIST);
		struct nvme_cqe cqe;
		bool completed;

		list[0] = HOST_DATA + 4 * PAGE;
		list[1] = HOST_DATA + 5 * PAGE;
		host_queue(h, 1, host_rw(NVME_IO_READ, 0, 24, HOST_DATA, HOST_LIST));
		h->dev->dma_until_failure = nth;
		host_kick(h, 1);
		h->dev->dma_until_failure = 0;
		completed = host_reap(h, 1, &cqe);
		assert_int_equal(completed, nth != 1 && nth != 5 && nth != 6);
		assert_int_equal(!!(host_csts(h) & NVME_CSTS_CFS), !completed);
		if (completed)
			assert_int_equal(cqe.status >> 1, nth == 7 ? 0 : NVME_SC_DATA_TRANSFER);
		host_free(h);
	}
}

static void admin_only_mode_has_no_io_commands(void **state)
{
	struct host *h = host_new(NULL);

	fake_write(h->dev, NVME_REG_AQA, HOST_AQA, 4);
	fake_write(h->dev, NVME_REG_ASQ, HOST_SQ(0), 8);
	fake_write(h->dev, NVME_REG_ACQ, HOST_CQ(0), 8);
	host_ring_init(h, 0, HOST_ADMIN_SIZE, HOST_ADMIN_SIZE);
	fake_write(h->dev, NVME_REG_CC, HOST_CC | 7 << 4, 4);
	assert_int_equal(host_csts(h), NVME_CSTS_RDY);
	host_create_pair(h, 1, 8);
	assert_int_equal(rw(h, NVME_IO_READ, 0, 1, HOST_DATA, 0), NVME_SC_INVALID_OPCODE);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_block_is_written_and_read),
		cmocka_unit_test(first_and_last_blocks_are_reachable_and_no_more),
		cmocka_unit_test(namespaces_do_not_overlap),
		cmocka_unit_test(scattered_pages_are_followed),
		cmocka_unit_test(neighbouring_pages_are_copied_at_once),
		cmocka_unit_test(bad_pointers_fail_before_any_data_moves),
		cmocka_unit_test(transfers_beyond_mdts_are_refused),
		cmocka_unit_test(lists_fused_commands_and_unknown_opcodes_are_refused),
		cmocka_unit_test(flush_takes_one_or_all_namespaces),
		cmocka_unit_test(zeroes_and_deallocation_in_memory),
		cmocka_unit_test(zeroes_and_deallocation_in_a_file),
		cmocka_unit_test(compare_works_on_memory_and_file),
		cmocka_unit_test(large_blocks_work),
		cmocka_unit_test(dma_that_fails_fails_only_its_command),
		cmocka_unit_test(every_dma_may_fail_in_turn),
		cmocka_unit_test(admin_only_mode_has_no_io_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
