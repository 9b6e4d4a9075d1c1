/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "fixture.h"

static const struct rf_prop props[] = {
	{ "size", RF_PROP_SIZE, "4k", "" },
	{ "file", RF_PROP_STRING, NULL, "" },
	{ "queues", RF_PROP_UINT, NULL, "" },
	{ "cache", RF_PROP_BOOL, "off", "" },
	{ 0 },
};

static int failing_init(struct rf_device *dev)
{
	if (!rf_prop_isset(dev, "file"))
		return 0;
	rf_device_error(dev, "%s: no such file", rf_prop_string(dev, "file"));
	return -ENOENT;
}

static const struct rf_pci_model model = {
	.abi = RF_MODEL_ABI,
	.name = "disk",
	.props = props,
	.init = failing_init,
};
static const struct rf_pci_model bare = { .abi = RF_MODEL_ABI, .name = "bare" };

static const struct pci_address at = { .bus = 1 };

static void refused(const struct rf_pci_model *m, const char *name, const char *value,
		    const char *want)
{
	const struct prop_value values[] = { { name, value }, { NULL, NULL } };
	struct rf_device *dev = NULL;
	char *error = NULL;

	assert_int_equal(device_new(m, &at, values, &dev, &error), -EINVAL);
	assert_null(dev);
	assert_string_equal(error, want);
	free(error);
}

static uint64_t number(const char *name, const char *value)
{
	const struct prop_value values[] = { { name, value }, { NULL, NULL } };
	struct rf_device *dev = fixture_device_at(&model, values, "01:00.0");
	uint64_t val = rf_prop_uint(dev, name);

	assert_true(rf_prop_isset(dev, name));
	assert_string_equal(rf_prop_string(dev, name), value ? value : "on");
	device_free(dev);
	return val;
}

static void sizes_take_suffixes(void **state)
{
	assert_int_equal(number("size", "512"), 512);
	assert_int_equal(number("size", "0x1000"), 4096);
	assert_int_equal(number("size", "2k"), 2048);
	assert_int_equal(number("size", "3M"), 3u << 20);
	assert_int_equal(number("size", "1g"), 1u << 30);
	assert_int_equal(number("size", "2T"), 2ull << 40);
	assert_int_equal(number("size", "16777215T"), 16777215ull << 40);
}

static void numbers_and_switches_are_read(void **state)
{
	assert_int_equal(number("queues", "18446744073709551615"), UINT64_MAX);
	assert_int_equal(number("queues", "0xff"), 255);
	assert_int_equal(number("cache", "yes"), 1);
	assert_int_equal(number("cache", "false"), 0);
	assert_int_equal(number("cache", NULL), 1);
}

static void bad_values_are_named(void **state)
{
	refused(&model, "size", "1X", "disk: size: \"1X\" is not a size");
	refused(&model, "size", "1kk", "disk: size: \"1kk\" is not a size");
	refused(&model, "size", "-1", "disk: size: \"-1\" is not a size");
	refused(&model, "size", " 1", "disk: size: \" 1\" is not a size");
	refused(&model, "size", "0x", "disk: size: \"0x\" is not a size");
	refused(&model, "size", "16777216T", "disk: size: \"16777216T\" is not a size");
	refused(&model, "size", "18446744073709551616",
		"disk: size: \"18446744073709551616\" is not a size");
	refused(&model, "size", "", "disk: size: needs a value");
	refused(&model, "size", NULL, "disk: size: needs a value");
	refused(&model, "queues", "4k", "disk: queues: \"4k\" is not a number");
	refused(&model, "cache", "maybe", "disk: cache: \"maybe\" is not on or off");
}

static void unknown_properties_are_told_what_there_is(void **state)
{
	refused(&model, "sise", "1",
		"disk: unknown property \"sise\" (has: size, file, queues, cache)");
	refused(&bare, "size", "1", "bare: unknown property \"size\" (has none)");
}

static void a_property_is_given_once(void **state)
{
	const struct prop_value values[] = { { "size", "1" }, { "size", "2" }, { NULL, NULL } };
	struct rf_device *dev = NULL;
	char *error = NULL;

	assert_int_equal(device_new(&model, &at, values, &dev, &error), -EINVAL);
	assert_string_equal(error, "disk: size: given twice");
	free(error);
}

static void defaults_fill_what_is_not_given(void **state)
{
	struct rf_device *dev = fixture_device(&model);

	assert_int_equal(rf_prop_uint(dev, "size"), 4096);
	assert_false(rf_prop_isset(dev, "file"));
	assert_null(rf_prop_string(dev, "file"));
	assert_false(rf_prop_isset(dev, "queues"));
	assert_int_equal(rf_prop_uint(dev, "queues"), 0);
	assert_false(rf_prop_isset(dev, "no-such"));
	device_free(dev);
}

static void a_failed_init_says_why(void **state)
{
	const struct prop_value values[] = { { "file", "/nowhere" }, { NULL, NULL } };
	struct rf_device *dev = NULL;
	char *error = NULL;

	assert_int_equal(device_new(&model, &at, values, &dev, &error), -ENOENT);
	assert_string_equal(error, "disk 0000:01:00.0: /nowhere: no such file");
	free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_take_suffixes),
		cmocka_unit_test(numbers_and_switches_are_read),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(unknown_properties_are_told_what_there_is),
		cmocka_unit_test(a_property_is_given_once),
		cmocka_unit_test(defaults_fill_what_is_not_given),
		cmocka_unit_test(a_failed_init_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
