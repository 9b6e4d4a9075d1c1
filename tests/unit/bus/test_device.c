/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fixture.h"

static unsigned inits, finis;

static int count_init(struct rf_device *dev)
{
	inits++;
	return rf_prop_uint(dev, "broken") ? -EIO : 0;
}

static void count_fini(struct rf_device *dev)
{
	finis++;
}

static void lower_line(struct rf_device *dev)
{
	rf_intx_set(dev, false); /* the lock is held already */
}

static const struct rf_prop props[] = {
	{ "broken", RF_PROP_BOOL, "off", "" },
	{ "name", RF_PROP_STRING, "x", "" },
	{ 0 },
};

static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "lives",
	.int_pin = 1,
	.msix_vectors = 4,
	.bars = { { .size = 8192, .areas = { { 0, 4096, RF_AREA_RAM } } } },
	.props = props,
	.data_size = 64,
	.init = count_init,
	.fini = count_fini,
	.reset = lower_line,
};

static const struct pci_address at = { .bus = 1 };

static unsigned descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int setup(void **state)
{
	inits = finis = 0;
	return 0;
}

static void init_and_fini_come_in_pairs(void **state)
{
	struct rf_device *dev = fixture_device(&model);

	assert_int_equal(inits, 1);
	device_reset(dev);
	assert_int_equal(inits, 1);
	assert_int_equal(finis, 0);
	device_free(dev);
	assert_int_equal(finis, 1);
	device_free(NULL);
}

static void a_failed_init_is_not_undone(void **state)
{
	const struct prop_value values[] = { { "broken", "on" }, { NULL, NULL } };
	unsigned before = descriptors();
	struct rf_device *dev = NULL;
	char *error = NULL;

	assert_int_equal(device_new(&model, &at, values, &dev, &error), -EIO);
	assert_string_equal(error, "lives: Input/output error");
	assert_null(dev);
	assert_int_equal(finis, 0);
	assert_int_equal(descriptors(), before);
	free(error);
}

static void every_allocation_may_fail(void **state)
{
	unsigned before = descriptors();
	struct rf_device *dev = NULL;
	unsigned nth;
	char *error;
	int ret;

	for (nth = 1; nth < 100; nth++) {
		alloc_fail_nth(nth);
		ret = device_new(&model, &at, NULL, &dev, &error);
		if (!alloc_has_failed())
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_non_null(error);
		free(error);
		assert_null(dev);
	}
	alloc_fail_nth(0);
	assert_int_equal(ret, 0);
	assert_true(nth > 5);
	device_free(dev);
	assert_int_equal(descriptors(), before);
}

static void *hold(void *arg)
{
	struct rf_device *dev = arg;

	rf_irq_raise(dev, 1);
	return NULL;
}

static void the_lock_keeps_others_out_and_lets_its_holder_in(void **state)
{
	struct rf_device *dev = fixture_device(&model);
	struct recorder rec;
	pthread_t thread;

	recorder_init(&rec);
	irq_set_sink(dev, &rec.sink);
	irq_enable(dev, IRQ_MSIX);
	irq_mask_vector(dev, 1, false);
	rf_device_lock(dev);
	assert_int_equal(pthread_create(&thread, NULL, hold, dev), 0);
	rf_irq_raise(dev, 2); /* masked */
	device_reset(dev);
	config_write(dev, 0x04, 0x0004, 2); /* COMMAND.MASTER */
	irq_mask_vector(dev, 1, false);
	irq_enable(dev, IRQ_MSIX);
	assert_int_equal(rec.count, 0);
	rf_device_unlock(dev);
	pthread_join(thread, NULL);
	assert_int_equal(rec.count, 1);
	assert_int_equal(rec.vector, 1);
	irq_set_sink(dev, NULL);
	device_free(dev);
}

static int session_file = -1;

static int find_session_file(const struct rf_device *dev)
{
	return session_file < 0 ? -ENOENT : dup(session_file);
}

static void scratch_memory_is_shared_where_a_session_has_it(void **state)
{
	struct rf_device *one, *two;
	unsigned before = descriptors();
	char *error;
	void *a, *b;

	assert_int_equal(device_new(&model, &at, NULL, &one, &error), 0);
	assert_int_equal(device_new(&model, &at, NULL, &two, &error), 0);
	assert_int_equal(scratch_fd(one), -ENOENT);
	assert_int_equal(rf_device_scratch(one, 0, &a), -EINVAL);
	assert_int_equal(rf_device_scratch(one, UINT64_MAX, &a), -EFBIG);
	assert_int_equal(rf_device_scratch(one, 1ull << 40, &a), 0);
	assert_int_equal(rf_device_scratch(one, 4096, &b), -EBUSY);
	assert_int_equal(((char *)a)[(1ull << 40) - 1], 0);
	((char *)a)[5] = 'x';
	session_file = scratch_fd(one);
	assert_true(session_file >= 0);
	scratch_find = find_session_file;
	assert_int_equal(rf_device_scratch(two, 1ull << 40, &b), 0);
	scratch_find = NULL;
	assert_ptr_not_equal(a, b);
	assert_int_equal(((char *)b)[5], 'x');
	assert_int_equal(scratch_fd(two), -ENOENT);
	device_free(one);
	assert_int_equal(((char *)b)[5], 'x');
	device_free(two);
	assert_int_equal(descriptors(), before);
	session_file = -1;
}

#define CASE(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(init_and_fini_come_in_pairs),
		CASE(a_failed_init_is_not_undone),
		CASE(every_allocation_may_fail),
		CASE(the_lock_keeps_others_out_and_lets_its_holder_in),
		CASE(scratch_memory_is_shared_where_a_session_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
