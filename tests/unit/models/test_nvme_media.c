/* SPDX-License-Identifier: BSD-3-Clause */
/* The NVMe model's media: sizes, files, what survives, what is refused. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nvme_host.h"

#define FILE_NAME "media.img"

static int setup(void **state)
{
	unlink(FILE_NAME);
	return 0;
}

static void make_file(off_t size)
{
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void expect_refusal(const char *const *props, const char *text)
{
	struct rf_device *dev = fake_new(&nvme_model, props);

	assert_null(dev);
	assert_string_equal(fake_error(), text);
}

static uint64_t blocks(struct host *h)
{
	struct nvme_id_ns *id = fake_at(h->dev, HOST_DATA);

	assert_int_equal(host_admin(h,
				    (struct nvme_sqe){ .opcode = NVME_ADMIN_IDENTIFY,
						       .nsid = 1,
						       .prp1 = HOST_DATA },
				    NULL),
			 0);
	return id->nsze;
}

static void memory_of_a_terabyte_costs_nothing(void **state)
{
	const char *props[] = { "size", "1T", NULL };
	struct host *h = host_ready(props);

	assert_int_equal(blocks(h), 1ull << 31);
	memset(fake_at(h->dev, HOST_DATA), 0x77, 4096);
	assert_int_equal(
		host_run(h, 1, host_rw(NVME_IO_WRITE, (1ull << 31) - 8, 8, HOST_DATA, 0), NULL), 0);
	memset(fake_at(h->dev, HOST_DATA), 0, 4096);
	assert_int_equal(
		host_run(h, 1, host_rw(NVME_IO_READ, (1ull << 31) - 8, 8, HOST_DATA, 0), NULL), 0);
	assert_int_equal(((uint8_t *)fake_at(h->dev, HOST_DATA))[4095], 0x77);
	host_free(h);
}

static void a_gigabyte_is_the_default(void **state)
{
	struct host *h = host_ready(NULL);

	assert_int_equal(blocks(h), (1ull << 30) / 512);
	host_free(h);
}

static void a_file_keeps_its_data(void **state)
{
	const char *create[] = { "file", FILE_NAME, "size", "1M", NULL };
	const char *reopen[] = { "file", FILE_NAME, NULL };
	struct host *h = host_ready(create);
	char buf[512];
	int fd;

	assert_int_equal(blocks(h), 2048);
	memset(fake_at(h->dev, HOST_DATA), 0x3c, 512);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_WRITE, 2047, 1, HOST_DATA, 0), NULL), 0);
	assert_int_equal(
		host_run(h, 1, (struct nvme_sqe){ .opcode = NVME_IO_FLUSH, .nsid = 1 }, NULL), 0);
	host_free(h);

	fd = open(FILE_NAME, O_RDONLY);
	assert_int_equal(pread(fd, buf, sizeof(buf), 2047 * 512), 512);
	assert_int_equal(buf[511], 0x3c);
	close(fd);

	h = host_ready(reopen);
	assert_int_equal(blocks(h), 2048);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_READ, 2047, 1, HOST_DATA, 0), NULL), 0);
	assert_int_equal(*(uint8_t *)fake_at(h->dev, HOST_DATA), 0x3c);
	host_free(h);
}

static void a_larger_file_shows_the_size_that_was_asked(void **state)
{
	const char *props[] = { "file", FILE_NAME, "size", "64k", NULL };
	struct host *h;

	make_file(1000001);
	h = host_ready(props);
	assert_int_equal(blocks(h), 128);
	host_free(h);
}

static void forced_unit_access_and_no_cache_are_accepted(void **state)
{
	const char *props[] = { "file", FILE_NAME, "size", "1M", NULL };
	struct host *h = host_ready(props);
	struct nvme_sqe sqe = host_rw(NVME_IO_WRITE, 0, 1, HOST_DATA, 0);

	sqe.cdw12 |= NVME_RW_FUA;
	assert_int_equal(host_run(h, 1, sqe, NULL), 0);
	assert_int_equal(host_admin(h,
				    (struct nvme_sqe){ .opcode = NVME_ADMIN_SET_FEATURES,
						       .cdw10 = NVME_FEAT_WRITE_CACHE },
				    NULL),
			 0);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_WRITE, 1, 1, HOST_DATA, 0), NULL), 0);
	host_free(h);
}

static void a_file_truncated_underneath_is_a_media_error(void **state)
{
	const char *props[] = { "file", FILE_NAME, "size", "1M", NULL };
	struct host *h = host_ready(props);
	struct nvme_sqe zeroes = { .opcode = NVME_IO_WRITE_ZEROES, .nsid = 1, .cdw12 = 7 };

	assert_int_equal(truncate(FILE_NAME, 4096), 0);
	/* the engine's copy reports a fault; here it is told to */
	h->dev->dma_until_failure = 2;
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_READ, 8, 8, HOST_DATA, 0), NULL),
			 NVME_SC_READ_ERROR);
	h->dev->dma_until_failure = 2;
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_WRITE, 8, 8, HOST_DATA, 0), NULL),
			 NVME_SC_WRITE_FAULT);
	/* the part that is left is not to blame */
	h->dev->dma_until_failure = 2;
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_WRITE, 0, 8, HOST_DATA, 0), NULL),
			 NVME_SC_DATA_TRANSFER);
	assert_int_equal(host_run(h, 1, host_rw(NVME_IO_COMPARE, 8, 8, HOST_DATA, 0), NULL),
			 NVME_SC_READ_ERROR);
	zeroes.cdw10 = 8;
	assert_int_equal(host_run(h, 1, zeroes, NULL), NVME_SC_WRITE_FAULT);
	zeroes.cdw12 = 1023;
	assert_int_equal(host_run(h, 1, zeroes, NULL), NVME_SC_WRITE_FAULT);
	host_free(h);
}

static void bad_files_are_refused_with_a_reason(void **state)
{
	const char *file[] = { "file", FILE_NAME, NULL };
	const char *sized[] = { "file", FILE_NAME, "size", "8k", NULL };
	const char *nowhere[] = { "file", "no/such/dir.img", "size", "8k", NULL };
	const char *directory[] = { "file", "/tmp", NULL };
	const char *device[] = { "file", "/dev/null", NULL };

	expect_refusal(file,
		       "file " FILE_NAME ": No such file or directory (with size=N it is created)");
	make_file(100);
	expect_refusal(file, "file " FILE_NAME ": 100 bytes, not a multiple of 512");
	make_file(4096);
	expect_refusal(sized,
		       "file " FILE_NAME ": media file too small: 4096 bytes, size=8192 asked");
	make_file(0);
	expect_refusal(file, "file " FILE_NAME ": media file too small: 0 bytes");
	expect_refusal(nowhere, "file no/such/dir.img: No such file or directory");
	expect_refusal(directory, "file /tmp: Is a directory");
	expect_refusal(device, "file /dev/null: not a regular file");
	if (geteuid()) {
		make_file(4096);
		assert_int_equal(chmod(FILE_NAME, 0444), 0);
		expect_refusal(file, "file " FILE_NAME ": Permission denied");
	}
}

static void a_refused_file_is_not_left_behind(void **state)
{
	/* more than any file system takes */
	const char *props[] = { "file", FILE_NAME, "size", "9007199254740991k", NULL };
	struct stat st;

	assert_null(fake_new(&nvme_model, props));
	assert_int_equal(stat(FILE_NAME, &st), -1);
}

static void bad_properties_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *name, *value, *text;
	} cases[] = {
		{ "size", "100", "size: 100 bytes, not a multiple of 512" },
		{ "size", "0", "size: 0 bytes, not a multiple of 512" },
		{ "block-size", "1024", "block-size: 1024 is neither 512 nor 4096" },
		{ "queues", "0", "queues: 0 is not between 1 and 64" },
		{ "queues", "65", "queues: 65 is not between 1 and 64" },
		{ "mdts", "0", "mdts: 0 is not between 1 and 9" },
		{ "mdts", "10", "mdts: 10 is not between 1 and 9" },
		{ "wzsl", "10", "wzsl: 10 is not between 0 and 9" },
		{ "namespaces", "0", "namespaces: 0 is not between 1 and 64" },
		{ "serial", "123456789012345678901", "serial: longer than 20 characters" },
		{ "serial", "a\nb", "serial: not printable ASCII" },
	};
	unsigned i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *props[] = { cases[i].name, cases[i].value, NULL };

		expect_refusal(props, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_of_a_terabyte_costs_nothing),
		cmocka_unit_test(a_gigabyte_is_the_default),
		cmocka_unit_test_setup_teardown(a_file_keeps_its_data, setup, setup),
		cmocka_unit_test_setup_teardown(a_larger_file_shows_the_size_that_was_asked, setup,
						setup),
		cmocka_unit_test_setup_teardown(forced_unit_access_and_no_cache_are_accepted, setup,
						setup),
		cmocka_unit_test_setup_teardown(a_file_truncated_underneath_is_a_media_error, setup,
						setup),
		cmocka_unit_test_setup_teardown(bad_files_are_refused_with_a_reason, setup, setup),
		cmocka_unit_test_setup_teardown(a_refused_file_is_not_left_behind, setup, setup),
		cmocka_unit_test(bad_properties_are_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
