/* SPDX-License-Identifier: BSD-3-Clause */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/layout.h"

static char root[] = "/tmp/rf-view-XXXXXX";
static int root_fd = -1;

static void build(const char *json)
{
	struct rf_machine *machine = machine_of(json);
	char *error = NULL;

	assert_non_null(mkdtemp(root));
	root_fd = open(root, O_RDONLY | O_DIRECTORY);
	assert_true(root_fd >= 0);
	if (view_build(machine, root_fd, &error))
		fail_msg("%s", error);
	rf_machine_free(machine);
}

static int take_down(void **state)
{
	if (root_fd >= 0) {
		layout_remove(root_fd);
		close(root_fd);
		rmdir(root);
		root_fd = -1;
	}
	memcpy(root + strlen(root) - 6, "XXXXXX", 6);
	return 0;
}

static char *contents(const char *path, size_t *len)
{
	static char text[8192];
	int fd = openat(root_fd, path, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(got >= 0);
	text[got] = '\0';
	if (len)
		*len = (size_t)got;
	return text;
}

#define holds(path, want) assert_string_equal(contents(path, NULL), want)

static bool is_there(const char *path)
{
	return !faccessat(root_fd, path, F_OK, 0);
}

static void leads(const char *path, const char *want)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(root_fd, path, target, sizeof(target) - 1);

	if (len < 0)
		fail_msg("%s: %s", path, strerror(errno));
	target[len] = '\0';
	assert_string_equal(target, want);
	assert_true(is_there(path)); /* it does not dangle */
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "a b c/ d@": sorted, / for a directory, @ for a link */
static const char *listing(const char *path)
{
	static char text[8192];
	char *names[256];
	size_t n = 0, used = 0;
	int fd = openat(root_fd, path, O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		const char *mark = entry->d_type == DT_DIR ? "/" :
				   entry->d_type == DT_LNK ? "@" :
							     "";

		if (entry->d_name[0] == '.')
			continue;
		assert_true(n < 256);
		assert_true(asprintf(&names[n++], "%s%s", entry->d_name, mark) > 0);
	}
	closedir(dir);
	qsort(names, n, sizeof(*names), by_name);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? " " : "",
					 names[i]);
		free(names[i]);
	}
	return text;
}

#define lists(path, want) assert_string_equal(listing(path), want)

static const char two[] =
	"{ \"iommu\": \"x86-39\", \"devices\": ["
	" { \"model\": \"edu\", \"address\": \"0000:00:04.0\", \"bars\": [ \"0xfea00000\" ],"
	"   \"irq-line\": 10 },"
	" { \"model\": \"nvme\", \"address\": \"0000:00:05.0\", \"size\": \"1M\" } ] }";

#define EDU  "sys/bus/pci/devices/0000:00:04.0/"
#define NVME "sys/bus/pci/devices/0000:00:05.0/"

static void directories_list_what_linux_lists(void **state)
{
	build(two);
	lists(".", "dev/ drivers/ lock/ spare/ sys/");
	lists("dev", "iommu vfio/");
	lists("dev/vfio", "1 2 devices/ vfio");
	lists("dev/vfio/devices", "vfio0 vfio1");
	lists("sys", "bus/ class/ devices/ kernel/ module/");
	lists("sys/bus/pci", "devices/ drivers/ drivers_autoprobe drivers_probe rescan "
			     "resource_alignment slots/ uevent");
	lists("sys/bus/pci/devices", "0000:00:04.0@ 0000:00:05.0@");
	lists("sys/bus/pci/drivers", "nvme/ vfio-pci/");
	lists("sys/bus/pci/drivers/vfio-pci", "0000:00:04.0@ 0000:00:05.0@ bind module@ new_id "
					      "remove_id uevent unbind");
	lists("sys/class", "iommu/ misc/ pci_bus/ vfio-dev/ vfio/");
	lists("sys/devices", "pci0000:00/ virtual/");
	lists("sys/devices/pci0000:00", "0000:00:04.0/ 0000:00:05.0/ pci_bus/ power/ uevent");
	lists("sys/kernel/iommu_groups", "1/ 2/");
	lists("sys/kernel/iommu_groups/2", "devices/ reserved_regions type");
	lists("sys/kernel/iommu_groups/2/devices", "0000:00:05.0@");
	/* the host's modules are there too, as links */
	assert_non_null(strstr(listing("sys/module"), "iommufd/ "));
	assert_non_null(strstr(listing("sys/module"), "vfio/ vfio_iommu_type1/ vfio_pci/ "
						      "vfio_pci_core/"));
	assert_non_null(strstr(listing("sys/module"), "nvme/"));
	lists(EDU, "ari_enabled broken_parity_status class config consistent_dma_mask_bits "
		   "d3cold_allowed device dma_mask_bits driver@ driver_override enable iommu@ "
		   "iommu_group@ irq local_cpulist local_cpus modalias msi_bus numa_node power/ "
		   "power_state remove rescan resource revision subsystem@ subsystem_device "
		   "subsystem_vendor uevent vendor vfio-dev/");
	lists(EDU "vfio-dev", "vfio0/");
	lists(NVME "vfio-dev/vfio1", "dev device@ power/ subsystem@ uevent");
}

static void identity_files_parse_as_the_kernels(void **state)
{
	build(two);
	holds(EDU "vendor", "0x1234\n");
	holds(EDU "device", "0x11e8\n");
	holds(EDU "class", "0x00ff00\n");
	holds(EDU "subsystem_vendor", "0x1af4\n");
	holds(EDU "subsystem_device", "0x1100\n");
	holds(EDU "revision", "0x10\n");
	holds(EDU "irq", "10\n");
	holds(EDU "numa_node", "-1\n");
	holds(EDU "driver_override", "(null)\n");
	holds(EDU "modalias", "pci:v00001234d000011E8sv00001AF4sd00001100bc00scFFi00\n");
	holds(EDU "uevent", "DRIVER=vfio-pci\nPCI_CLASS=FF00\nPCI_ID=1234:11E8\n"
			    "PCI_SUBSYS_ID=1AF4:1100\nPCI_SLOT_NAME=0000:00:04.0\n"
			    "MODALIAS=pci:v00001234d000011E8sv00001AF4sd00001100bc00scFFi00\n");
	holds(NVME "class", "0x010802\n");
}

static void resources_have_thirteen_lines(void **state)
{
	static const char none[] = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
	const char *text;

	build(two);
	text = contents(EDU "resource", NULL);
	assert_int_equal(strlen(text), 13 * (sizeof(none) - 1));
	assert_memory_equal(text, "0x00000000fea00000 0x00000000feafffff 0x0000000000040200\n",
			    sizeof(none) - 1);
	for (unsigned i = 1; i < 13; i++)
		assert_memory_equal(text + i * (sizeof(none) - 1), none, sizeof(none) - 1);

	text = contents(NVME "resource", NULL);
	assert_memory_equal(text + 19 * 2, "0x0000000000140204\n", 19); /* memory, 64 bits */
}

static void config_is_the_devices_own(void **state)
{
	size_t len;
	const char *bytes;

	build(two);
	bytes = contents(EDU "config", &len);
	assert_int_equal(len, 256);
	assert_memory_equal(bytes, "\x34\x12\xe8\x11", 4);
	assert_memory_equal(bytes + 0x10, "\x00\x00\xa0\xfe", 4);
	assert_int_equal(bytes[0x3c], 10);
	contents(NVME "config", &len);
	assert_int_equal(len, 4096);
}

static void express_devices_tell_their_link(void **state)
{
	build(two);
	assert_false(is_there(EDU "max_link_speed"));
	assert_true(is_there(NVME "max_link_speed"));
	assert_true(is_there(NVME "current_link_width"));
	/* as an end inside the root complex has none, its registers are not asked */
	assert_string_equal(contents(NVME "current_link_speed", NULL), "Unknown\n");
	assert_string_equal(contents(NVME "current_link_width", NULL), "0\n");
	assert_string_equal(contents(NVME "max_link_speed", NULL), "Unknown\n");
	assert_string_equal(contents(NVME "max_link_width", NULL), "255\n");
	assert_false(is_there(EDU "reset"));
	assert_true(is_there(NVME "reset"));
	assert_non_null(strstr(contents(NVME "reset_method", NULL), "flr"));
}

static void links_lead_where_linux_leads(void **state)
{
	build(two);
	leads("sys/bus/pci/devices/0000:00:04.0", "../../../devices/pci0000:00/0000:00:04.0");
	leads(EDU "iommu_group", "../../../kernel/iommu_groups/1");
	leads(NVME "iommu_group", "../../../kernel/iommu_groups/2");
	leads(EDU "driver", "../../../bus/pci/drivers/vfio-pci");
	leads(EDU "subsystem", "../../../bus/pci");
	leads(EDU "iommu", "../../virtual/iommu/dmar0");
	leads("sys/bus/pci/drivers/vfio-pci/module", "../../../../module/vfio_pci");
	leads("sys/bus/pci/drivers/vfio-pci/0000:00:05.0",
	      "../../../../devices/pci0000:00/0000:00:05.0");
	leads("sys/kernel/iommu_groups/1/devices/0000:00:04.0",
	      "../../../../devices/pci0000:00/0000:00:04.0");
	leads("sys/class/iommu/dmar0", "../../devices/virtual/iommu/dmar0");
	leads("sys/class/iommu/dmar0/devices/0000:00:04.0", "../../../../pci0000:00/0000:00:04.0");
	leads("sys/class/pci_bus/0000:00", "../../devices/pci0000:00/pci_bus/0000:00");
	leads("sys/class/pci_bus/0000:00/device", "../../../pci0000:00");
	leads("sys/class/pci_bus/0000:00/subsystem", "../../../../class/pci_bus");
	leads("sys/class/vfio/2", "../../devices/virtual/vfio/2");
	leads("sys/class/vfio/2/subsystem", "../../../../class/vfio");
	leads("sys/class/vfio-dev/vfio1", "../../devices/pci0000:00/0000:00:05.0/vfio-dev/vfio1");
	leads(NVME "vfio-dev/vfio1/device", "../../../0000:00:05.0");
	leads(NVME "vfio-dev/vfio1/subsystem", "../../../../../class/vfio-dev");
	leads("sys/class/misc/vfio", "../../devices/virtual/misc/vfio");
	leads("sys/class/misc/iommu", "../../devices/virtual/misc/iommu");
	leads("sys/module/vfio_pci/drivers/pci:vfio-pci", "../../../bus/pci/drivers/vfio-pci");
}

static uint64_t dmar(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "sys/class/iommu/dmar0/intel-iommu/%s", name);
	return strtoull(contents(path, NULL), NULL, 16);
}

static void the_iommu_tells_its_address_bits(void **state)
{
	build(two);
	assert_int_equal((dmar("cap") >> 16 & 0x3f) + 1, 39);
	assert_int_equal(dmar("cap") >> 8 & 0x1f, 2); /* three levels */
	assert_int_equal(dmar("cap") >> 34 & 0xf, 3); /* 2 MiB and 1 GiB */
	assert_true(dmar("ecap") & 8);
	holds("sys/kernel/iommu_groups/1/reserved_regions",
	      "0x00000000fee00000 0x00000000feefffff msi\n");
	take_down(NULL);

	build("{ \"interrupt-remapping\": false, \"devices\": [ { \"model\": \"edu\" } ] }");
	assert_int_equal((dmar("cap") >> 16 & 0x3f) + 1, 48);
	assert_int_equal(dmar("cap") >> 8 & 0x1f, 4);
	assert_false(dmar("ecap") & 8);
}

static void a_device_without_vfio_has_no_group_node(void **state)
{
	build("{ \"devices\": [ { \"model\": \"edu\", \"driver\": \"none\" },"
	      " { \"model\": \"edu\", \"driver\": \"e1000e\" },"
	      " { \"model\": \"edu\", \"group\": \"none\" } ] }");
	lists("dev/vfio", "devices/ vfio");
	assert_false(is_there("sys/bus/pci/devices/0000:01:00.0/driver"));
	leads("sys/bus/pci/devices/0000:02:00.0/driver", "../../../bus/pci/drivers/e1000e");
	assert_true(is_there("sys/bus/pci/devices/0000:02:00.0/iommu_group"));
	assert_false(is_there("sys/bus/pci/devices/0000:03:00.0/iommu_group"));
	assert_false(is_there("sys/bus/pci/devices/0000:03:00.0/iommu"));
	lists("sys/bus/pci/drivers/e1000e",
	      "0000:02:00.0@ bind module@ new_id remove_id uevent unbind");
	assert_null(strstr(contents("sys/bus/pci/devices/0000:01:00.0/uevent", NULL), "DRIVER"));
	leads("sys/bus/pci/devices/0000:02:00.0", "../../../devices/pci0000:02/0000:02:00.0");
}

static void only_isolated_devices_open_by_themselves(void **state)
{
	build("{ \"devices\": [ { \"model\": \"edu\" },"
	      " { \"model\": \"edu\", \"group\": \"none\" }, { \"model\": \"edu\" } ] }");
	assert_false(is_there("sys/bus/pci/devices/0000:02:00.0/vfio-dev"));
	lists("dev/vfio/devices", "vfio0 vfio1");
	lists("sys/bus/pci/devices/0000:03:00.0/vfio-dev", "vfio1/");
	holds("sys/class/vfio-dev/vfio1/dev", "510:1\n");
	holds("sys/class/vfio-dev/vfio1/uevent",
	      "MAJOR=510\nMINOR=1\nDEVNAME=vfio/devices/vfio1\n");
}

static void the_kernels_tests_find_what_they_set_up(void **state)
{
	build("{ \"iommufd-selftest\": true }");
	holds("sys/kernel/debug/failslab/ignore-gfp-wait", "Y\n");
	holds("sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "Y\n");
	assert_true(is_there("proc/fail-nth"));
	take_down(NULL);
	build(NULL);
	assert_false(is_there("sys/kernel/debug"));
	assert_false(is_there("proc"));
}

static void an_empty_machine_has_empty_lists(void **state)
{
	build(NULL);
	lists("sys/bus/pci/devices", "");
	lists("sys/kernel/iommu_groups", "");
	lists("sys/class/pci_bus", "");
	lists("dev/vfio", "vfio");
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
	struct rf_machine *machine = machine_of(two);
	char *error = NULL;
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	assert_true(view_build(machine, fd, &error) < 0);
	assert_non_null(error);
	assert_non_null(strstr(error, "sys"));
	free(error);
	close(fd);
	rf_machine_free(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(directories_list_what_linux_lists, take_down),
		cmocka_unit_test_teardown(identity_files_parse_as_the_kernels, take_down),
		cmocka_unit_test_teardown(resources_have_thirteen_lines, take_down),
		cmocka_unit_test_teardown(config_is_the_devices_own, take_down),
		cmocka_unit_test_teardown(express_devices_tell_their_link, take_down),
		cmocka_unit_test_teardown(links_lead_where_linux_leads, take_down),
		cmocka_unit_test_teardown(the_iommu_tells_its_address_bits, take_down),
		cmocka_unit_test_teardown(a_device_without_vfio_has_no_group_node, take_down),
		cmocka_unit_test_teardown(only_isolated_devices_open_by_themselves, take_down),
		cmocka_unit_test_teardown(the_kernels_tests_find_what_they_set_up, take_down),
		cmocka_unit_test_teardown(an_empty_machine_has_empty_lists, take_down),
		cmocka_unit_test(a_place_that_cannot_be_written_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
