/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Importing what lspci printed: read, refused, and written as a machine file that
 * has the same topology.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../logged.h"
#include "base/log.h"
#include "fixture.h"
#include "machine/import.h"

#define ZERO " 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
#define BRIDGE                                                   \
	"00:01.0 PCI bridge [0604]: Some [8086:1901] (rev 07)\n" \
	"\tKernel driver in use: pcieport\n"                     \
	"\tCapabilities: [88] Subsystem: Intel\n"                \
	"00: 86 80 01 19 07 00 10 00 07 00 04 06 10 00 81 00\n"  \
	"10: 00 00 00 00 00 00 00 00 00 01 01 00 e0 e0 00 20\n"  \
	"20:" ZERO "30:" ZERO "\n"
#define ENDPOINT                                                 \
	"01:00.0 Ethernet controller [0200]: Some [8086:1533]\n" \
	"00: 86 80 33 15 07 04 10 00 03 00 00 02 10 00 00 00\n"  \
	"10:" ZERO "20:" ZERO "30:" ZERO

static void import_is_refused(const char *text, const char *line)
{
	struct import import;
	char *error = NULL;

	assert_int_equal(import_lspci(text, "saved.txt", &import, &error), -EINVAL);
	assert_non_null(error);
	assert_string_equal(error, line);
	assert_null(import.topology);
	free(error);
}

static void output_of_lspci_is_read(void **state)
{
	const struct pci_address at = { .slot = 1 };
	const struct pci_address below = { .bus = 1 };
	const struct pci_function *fn;
	struct import import;
	char *error = NULL;

	if (import_lspci("\xef\xbb\xbf-[0000:00]---01.0-[01]----00.0\r\n\n" BRIDGE ENDPOINT,
			 "saved.txt", &import, &error))
		fail_msg("%s", error);
	assert_int_equal(topology_count(import.topology), 2);
	assert_int_equal(import.nr_headers, 2);
	fn = topology_find(import.topology, &at);
	assert_string_equal(fn->driver, "pcieport");
	assert_int_equal(fn->class, 0x060400);
	assert_int_equal(fn->secondary, 1);
	assert_int_equal(fn->line, 3);
	assert_ptr_equal(topology_find(import.topology, &below)->parent, fn);
	import_release(&import);
}

static void what_is_not_whole_is_refused(void **state)
{
	static const struct {
		const char *text, *line;
	} bad[] = {
		{ "", "saved.txt: no device in it: expected the output of lspci -xxxx" },
		{ "-[0000:00]-+-00.0\n           \\-01.0-[01]--\n",
		  "saved.txt: no device in it: expected the output of lspci -xxxx; the tree of -t "
		  "is "
		  "not enough" },
		{ "hello\n", "saved.txt:1: not what lspci prints: \"hello\"" },
		{ "\033[2Jhi\x90\n", "saved.txt:1: not what lspci prints: \"\\x1b[2Jhi\\x90\"" },
		{ "00:00.0 Host bridge: Intel\n\n",
		  "saved.txt:1: 0000:00:00.0: no configuration space follows: lspci needs -xxxx, "
		  "and root" },
		{ "00:00.0\n", "saved.txt:1: the line ends after the address 00:00.0" },
		{ "00:" ZERO, "saved.txt:1: configuration space without a device before it" },
		{ "00:00.0 Host bridge\n00: 86 80 57\n",
		  "saved.txt:2: 0000:00:00.0: cut short: line 0 has 3 of 16 bytes" },
		{ "00:00.0 Host bridge\n00: 86 80 5",
		  "saved.txt:2: 0000:00:00.0: cut short: line 0 has 2 of 16 bytes" },
		{ "00:00.0 Host bridge\n00:" ZERO "10:" ZERO "20:" ZERO,
		  "saved.txt:4: 0000:00:00.0: its configuration space is cut short after 48 "
		  "bytes" },
		{ "00:00.0 Host bridge\n00:" ZERO "20:" ZERO,
		  "saved.txt:3: 0000:00:00.0: offset 20 where 10 was expected" },
		{ "00:00.0 A\n00:" ZERO "10:" ZERO "20:" ZERO "30:" ZERO "00:00.0 B\n",
		  "saved.txt:6: 0000:00:00.0 was described in line 1 already" },
		{ "00:00.0 A\n\tKernel driver in use: a/b\n",
		  "saved.txt:2: 0000:00:00.0: no driver is called \"a/b\"" },
		{ "00:00.0 A\n00: 86 80 ff ff ff ff ff ff ff ff ff ff ff ff ff ff\n10:" ZERO
		  "20:" ZERO "30:" ZERO,
		  "saved.txt:5: 0000:00:00.0: header type 7f is unknown" },
		{ BRIDGE "02:00.0 X\n00:" ZERO "10:" ZERO "20:" ZERO "30:" ZERO
			 "00:02.0 PCI bridge\n00: 86 80 01 19 07 00 00 00 07 00 04 06 10 00 01 00\n"
			 "10: 00 00 00 00 00 00 00 00 00 01 01 00 e0 e0 00 20\n20:" ZERO "30:" ZERO,
		  "saved.txt:14: 0000:00:02.0: this bridge leads to bus 01, but so does "
		  "0000:00:01.0" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		import_is_refused(bad[i].text, bad[i].line);
}

/* All that was logged since log_begins(). */
static void log_was(const char *want)
{
	assert_string_equal(logged(), want);
	log_ends();
}

#define ONES	" ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff\n"
#define ONES_64 "00:" ONES "10:" ONES "20:" ONES "30:" ONES

/* One that is powered down does not keep the rest from being imported. */
static void functions_that_do_not_answer_are_taken_as_plain_ones(void **state)
{
	const struct pci_address at = { .bus = 1 };
	struct pci_function *fn;
	struct rf_machine *machine;
	struct import import;
	char *error = NULL, *json;

	log_begins();
	if (import_lspci(BRIDGE "01:00.0 VGA compatible controller [0300]: Some [10de:1c8d] (rev "
				"ff)\n\tKernel driver in use: nouveau\n" ONES_64
				"01:00.1 Audio device [0403]: Some [10de:0fb9] (rev ff)\n" ONES_64,
			 "saved.txt", &import, &error))
		fail_msg("%s", error);
	log_was("ringfence: saved.txt: 0000:01:00.0 and 1 other: configuration space reads as ones "
		"(powered down, or gone): taken as plain functions, whose capabilities are not "
		"known\n");
	assert_int_equal(import.nr_headers, 1); /* the bridge */
	fn = topology_find(import.topology, &at);
	assert_true(fn->silent);
	assert_int_equal(fn->vendor, 0x10de);
	assert_int_equal(fn->class, 0x030000);
	assert_true(fn->multifunction);
	json = import_write(&import, NULL, NULL);
	assert_non_null(json);
	machine = machine_of(json);
	fn = topology_find(machine->desc->topology, &at);
	assert_true(fn->silent);
	assert_int_equal(fn->vendor, 0x10de);
	assert_int_equal(fn->device, 0x1c8d);
	assert_int_equal(fn->class, 0x030000);
	assert_string_equal(fn->driver, "nouveau");
	assert_string_equal(fn->parent->name, "0000:00:01.0");
	assert_int_equal(fn->group, fn->next->group);
	rf_machine_free(machine);
	free(json);
	import_release(&import);
}

#define SIZED                                                                             \
	"00:06.0 Ethernet controller [0200]: Intel [8086:10d3]\n"                         \
	"\tFlags: bus master, fast devsel, latency 0, IRQ 22\n"                           \
	"\tMemory at feb40000 (32-bit, non-prefetchable) [size=128K]\n"                   \
	"\tI/O ports at c080 [size=32]\n"                                                 \
	"\tRegion 4: Memory at 6000000000 (64-bit, prefetchable) [disabled] [size=16G]\n" \
	"\tExpansion ROM at feb00000 [disabled] [size=256K]\n"                            \
	"\tMemory at feb60000 (32-bit, non-prefetchable) [size=3K]\n"                     \
	"00: 86 80 d3 10 03 01 00 00 00 00 00 02 00 00 00 00\n"                           \
	"10: 00 00 b4 fe 00 00 b6 fe 81 c0 00 00 00 00 00 00\n"                           \
	"20: 0c 00 00 00 60 00 00 00 00 00 00 00 86 80 00 00\n"                           \
	"30: 00 00 b0 fe 00 00 00 00 00 00 00 00 0b 01 00 00\n"

/* From -v, through a machine file, to a device that stands for the function. */
static void sizes_of_bars_are_kept(void **state)
{
	static const uint64_t want[] = { 128 << 10, 0, 32, 0, 16ull << 30, 0, 256 << 10 };
	const struct pci_address at = { .slot = 6 };
	struct rf_machine *machine;
	struct import import;
	char *error = NULL, *json, zeros[2048] = SIZED, whole[8192];
	struct rf_device *dev;

	for (unsigned line = 0x40; line < 0x100; line += 0x10)
		sprintf(zeros + strlen(zeros), "%02x:" ZERO, line);
	if (import_lspci(zeros, "saved.txt", &import, &error))
		fail_msg("%s", error);
	assert_memory_equal(topology_find(import.topology, &at)->bar_size, want, sizeof(want));
	json = import_write(&import, NULL, NULL);
	assert_non_null(json);
	snprintf(whole, sizeof(whole),
		 "{ \"devices\": [ { \"model\": \"inert\", "
		 "\"address\": \"00:06.0\" } ],%s",
		 strchr(json, '{') + 1);
	machine = machine_of(whole);
	assert_memory_equal(topology_find(machine->desc->topology, &at)->bar_size, want,
			    sizeof(want));
	dev = rf_machine_find(machine, "00:06.0");
	assert_non_null(dev);
	assert_int_equal(config_read(dev, 0, 4), 0x10d38086);
	assert_int_equal(config_read(dev, 0x3c, 1), 0x0b);
	assert_int_equal(bar_size(dev, 0), want[0]);
	assert_int_equal(dev->bars[0].address, 0xfeb40000);
	assert_int_equal(dev->bars[2].address, 0xc080);
	assert_int_equal(dev->bars[4].address, 0x6000000000);
	assert_int_equal(bar_size(dev, 4), want[4]);
	assert_int_equal(dev->model->rom_size, want[6]);
	assert_int_equal(dev->function->device, 0x10d3);
	rf_machine_free(machine);
	free(json);
	import_release(&import);
}

static void bridges_that_nobody_configured_are_taken(void **state)
{
	const struct pci_address at = { .slot = 2 };
	struct rf_machine *machine;
	struct import import;
	char *error = NULL, *json;

	log_begins();
	if (import_lspci(BRIDGE ENDPOINT
			 "00:02.0 PCI bridge\n00: 86 80 01 19 07 00 00 00 07 00 04 06 10 00 01 00\n"
			 "10:" ZERO "20:" ZERO "30:" ZERO,
			 "saved.txt", &import, &error))
		fail_msg("%s", error);
	log_was("ringfence: saved.txt: 0000:00:02.0: a bridge without bus numbers, which nobody "
		"configured: nothing can be below\n");
	json = import_write(&import, NULL, NULL);
	assert_non_null(json);
	machine = machine_of(json);
	assert_int_equal(topology_count(machine->desc->topology), 3);
	assert_true(pci_bridge_unconfigured(topology_find(machine->desc->topology, &at)));
	/* no model is put below it */
	add_refused(machine, "edu", -EINVAL,
		    "--device edu: no port of the topology is free; give it an address");
	rf_machine_free(machine);
	free(json);
	import_release(&import);
}

/* What a function of which lspci printed @size bytes looks like. */
static void dump(char *text, const char *address, unsigned pcie, unsigned size)
{
	text += sprintf(text, "%s Some [8086:1533]\n", address);
	for (unsigned at = 0; at < size; at += 16) {
		unsigned bytes[16] = { 0 };

		if (!at) {
			bytes[0] = 0x86;
			bytes[1] = 0x80;
			bytes[6] = 0x10;
		}
		if (at == 0x30)
			bytes[4] = 0x40;
		if (at == 0x40 && pcie) {
			bytes[0] = 0x10;
			bytes[2] = pcie;
		}
		text += sprintf(text, "%02x:", at);
		for (unsigned i = 0; i < 16; i++)
			text += sprintf(text, " %02x", bytes[i]);
		text += sprintf(text, "\n");
	}
}

static void import_knows(const char *text, size_t unknown)
{
	struct import import;
	char *error = NULL;

	if (import_lspci(text, "saved.txt", &import, &error))
		fail_msg("%s", error);
	assert_int_equal(import.nr_headers, unknown);
	import_release(&import);
}

static void the_first_256_bytes_do_not_tell_about_acs(void **state)
{
	static char text[32768];

	dump(text, "00:02.0", 0x02, 256);
	import_knows(text, 1);
	dump(text + strlen(text), "00:03.0", 0x02, 256);
	import_knows(text, 2);
	dump(text, "00:02.0", 0x02, 4096);
	dump(text + strlen(text), "00:03.0", 0, 256);
	import_knows(text, 0);
}

static void a_last_device_with_less_than_others_is_refused(void **state)
{
	static char text[32768];

	dump(text, "00:02.0", 0x02, 4096);
	dump(text + strlen(text), "00:03.0", 0x02, 256);
	import_is_refused(text, "saved.txt:274: 0000:00:03.0: cut short after 256 of 4096 bytes, "
				"or saved with -xxx");
	dump(text + strlen(text), "00:04.0", 0x02, 4096);
	import_knows(text, 1);
	dump(text, "00:02.0", 0x02, 4096);
	dump(text + strlen(text), "00:03.0", 0x02, 64);
	import_is_refused(text, "saved.txt:262: 0000:00:03.0: cut short after 64 of 4096 bytes");
}

/* All DMA of a VMD domain has the id of the VMD endpoint, here and when read back. */
static void functions_behind_vmd_share_its_id(void **state)
{
	const struct pci_address vmd = { .slot = 0xe }, behind = { .domain = 0x10000, .slot = 2 };
	static char text[32768];
	struct rf_machine *machine;
	const struct pci_function *fn;
	struct import import;
	char *error = NULL, *json;

	dump(text, "0000:00:0e.0", 0, 256);
	memcpy(strstr(text, "00: "), "00: 86 80 0b 9a", 15);
	dump(text + strlen(text), "10000:00:02.0", 0, 256);
	assert_int_equal(import_lspci(text, "saved.txt", &import, &error), 0);
	fn = topology_find(import.topology, &behind);
	assert_ptr_equal(fn->dma_device, topology_find(import.topology, &vmd));
	json = import_write(&import, NULL, NULL);
	assert_non_null(json);
	machine = machine_of(json);
	fn = topology_find(machine->desc->topology, &behind);
	assert_ptr_equal(fn->dma_device, topology_find(machine->desc->topology, &vmd));
	assert_int_equal(fn->group, fn->dma_device->group);
	rf_machine_free(machine);
	free(json);
	import_release(&import);

	dump(text + strlen(text), "0000:00:0f.0", 0, 256);
	memcpy(strstr(strstr(text, "0000:00:0f.0"), "\n00: ") + 1, "00: 86 80 1d 20", 15);
	assert_int_equal(import_lspci(text, "saved.txt", &import, &error), 0);
	assert_null(topology_find(import.topology, &behind)->dma_device);
	import_release(&import);
}

/* What Linux reads from the device's memory cannot be read from a file. */
static void ids_that_are_in_memory_are_asked_for(void **state)
{
	struct import import;
	char *error = NULL;

	log_begins();
	assert_int_equal(import_lspci("00:00.0 Bridge [0680]: PMC-Sierra [11f8:8546]\n"
				      "00: f8 11 46 85 00 00 00 00 00 00 80 06 00 00 80 00\n"
				      "10:" ZERO "20:" ZERO "30:" ZERO
				      "00:00.1 Memory controller [0580]: PMC-Sierra [11f8:8546]\n"
				      "00: f8 11 46 85 00 00 00 00 00 00 80 05 00 00 80 00\n"
				      "10:" ZERO "20:" ZERO "30:" ZERO,
				      "saved.txt", &import, &error),
			 0);
	log_was("ringfence: saved.txt: 0000:00:00.0: a Switchtec bridge whose DMA carries ids that "
		"are in its memory, which is not read: say \"aliases\" in the machine file\n");
	import_release(&import);
}

static void write_file(const char *dir, const char *name, const void *data, size_t size)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
}

/* A bridge that does not answer: the kernel remembers what it is and where it leads. */
static void sysfs_remembers_what_does_not_answer(void **state)
{
	static const struct {
		const char *name, *text;
	} files[] = { { "vendor", "0x8086\n" },
		      { "device", "0x1901\n" },
		      { "class", "0x060400\n" },
		      { "secondary_bus_number", "18\n" },
		      { "subordinate_bus_number", "20\n" } };
	const struct pci_address at = { .slot = 1 }, below = { .bus = 18 };
	char root[] = "/tmp/sysfs-XXXXXX", dir[256], other[256], command[1024];
	uint8_t ones[256], bytes[64] = { 0x86, 0x80, 0x33, 0x15 };
	struct rf_machine *machine;
	struct pci_function *fn;
	struct import import;
	char *error = NULL, *json;

	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/bus/pci/devices/0000:00:01.0", root);
	snprintf(other, sizeof(other), "%s/bus/pci/devices/0000:12:00.0", root);
	snprintf(command, sizeof(command), "mkdir -p %s %s", dir, other);
	assert_int_equal(system(command), 0);
	memset(ones, 0xff, sizeof(ones));
	write_file(dir, "config", ones, sizeof(ones));
	write_file(other, "config", bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		write_file(dir, files[i].name, files[i].text, strlen(files[i].text));
	log_begins();
	if (import_sysfs(root, &import, &error))
		fail_msg("%s", error);
	snprintf(command, sizeof(command),
		 "ringfence: %s: 0000:00:01.0: configuration space reads as ones (powered down, or "
		 "gone): taken as plain functions, whose capabilities are not known\n",
		 root);
	log_was(command);
	json = import_write(&import, NULL, NULL);
	machine = machine_of(json);
	fn = topology_find(machine->desc->topology, &at);
	assert_true(fn->silent);
	assert_int_equal(fn->secondary, 18);
	assert_int_equal(fn->subordinate, 20);
	assert_ptr_equal(topology_find(machine->desc->topology, &below)->parent, fn);
	rf_machine_free(machine);
	free(json);
	import_release(&import);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void a_path_in_sysfs_tells_the_vmd_endpoint(void **state)
{
	static const char *const links[][2] = {
		{ "0000:00:0e.0", "../../../devices/pci0000:00/0000:00:0e.0" },
		{ "10000:00:02.0",
		  "../../../devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:00:02.0" },
	};
	const struct pci_address vmd = { .slot = 0xe }, behind = { .domain = 0x10000, .slot = 2 };
	char root[] = "/tmp/sysfs-XXXXXX", command[1024], path[256];
	uint8_t bytes[64] = { 0x86, 0x80, 0x0b, 0x9a };
	struct import import;
	char *error = NULL;

	assert_non_null(mkdtemp(root));
	snprintf(command, sizeof(command),
		 "mkdir -p %s/bus/pci/devices "
		 "%s/devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:00:02.0",
		 root, root);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < 2; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", root, links[i][0]);
		assert_int_equal(symlink(links[i][1], path), 0);
		strcat(path, "/config");
		file = fopen(path, "w");
		assert_non_null(file);
		assert_int_equal(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
		fclose(file);
	}
	if (import_sysfs(root, &import, &error))
		fail_msg("%s", error);
	assert_null(topology_find(import.topology, &vmd)->dma_device);
	assert_ptr_equal(topology_find(import.topology, &behind)->dma_device,
			 topology_find(import.topology, &vmd));
	import_release(&import);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static const char *name_of(const struct pci_function *fn, void *arg)
{
	return arg;
}

/* Cutting a file anywhere is noticed, or leaves whole devices. */
static void every_cut_is_noticed(void **state)
{
	static const char text[] = BRIDGE ENDPOINT;

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *cut = strndup(text, len), *error = NULL;
		struct import import;
		int ret = import_lspci(cut, "saved.txt", &import, &error);

		if (ret) {
			assert_int_equal(ret, -EINVAL);
			assert_non_null(error);
			assert_memory_equal(error, "saved.txt", 9);
			free(error);
		} else {
			assert_true(topology_count(import.topology) >= 1);
			import_release(&import);
		}
		free(cut);
	}
}

static void a_machine_file_is_written(void **state)
{
	struct rf_machine *machine;
	struct pci_function *fn;
	struct import import;
	char *error = NULL, *json;

	assert_int_equal(import_lspci(BRIDGE ENDPOINT, "saved.txt", &import, &error), 0);
	json = import_write(&import, name_of, (void *)"a \"name\"");
	assert_non_null(json);
	machine = machine_of(json);
	assert_int_equal(topology_count(machine->desc->topology), 2);
	fn = topology_first(machine->desc->topology);
	for (struct pci_function *was = topology_first(import.topology); was;
	     was = topology_next(was), fn = topology_next(fn)) {
		assert_string_equal(fn->name, was->name);
		assert_int_equal(fn->config_size, was->config_size);
		assert_memory_equal(fn->config, was->config, was->config_size);
		if (was->driver)
			assert_string_equal(fn->driver, was->driver);
		else
			assert_null(fn->driver);
	}
	rf_machine_free(machine);
	free(json);
	import_release(&import);
}

static void a_class_has_no_sign(void **state)
{
	static const char *const classes[] = { "[-604]", "[+604]", "[0x60]", "[ 604]", "[06040]" };

	for (unsigned i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct pci_address at = { .bus = 1 };
		struct import import;
		char text[1024], *error = NULL;

		log_begins();
		snprintf(text, sizeof(text), "01:00.0 VGA %s: Some [10de:1c8d] (rev ff)\n" ONES_64,
			 classes[i]);
		if (import_lspci(text, "saved.txt", &import, &error))
			fail_msg("%s", error);
		assert_int_equal(topology_find(import.topology, &at)->class, 0);
		assert_int_equal(topology_find(import.topology, &at)->vendor, 0x10de);
		import_release(&import);
		log_ends();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_of_lspci_is_read),
		cmocka_unit_test(what_is_not_whole_is_refused),
		cmocka_unit_test(functions_that_do_not_answer_are_taken_as_plain_ones),
		cmocka_unit_test(a_class_has_no_sign),
		cmocka_unit_test(sizes_of_bars_are_kept),
		cmocka_unit_test(bridges_that_nobody_configured_are_taken),
		cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(the_first_256_bytes_do_not_tell_about_acs),
		cmocka_unit_test(a_last_device_with_less_than_others_is_refused),
		cmocka_unit_test(functions_behind_vmd_share_its_id),
		cmocka_unit_test(sysfs_remembers_what_does_not_answer),
		cmocka_unit_test(ids_that_are_in_memory_are_asked_for),
		cmocka_unit_test(a_path_in_sysfs_tells_the_vmd_endpoint),
		cmocka_unit_test(a_machine_file_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
