/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What /sys/bus/pci does when it is written to.
 *
 * The state of the bus is the tree itself: a device is on it when it has a link
 * in sys/bus/pci/devices, bound when it has a "driver" link. What the tree has no
 * place for lies beside it: drivers/NAME holds the ids that new_id gave to a
 * driver, drivers/.native those that it is built with, spare/ what is not to be
 * seen just now.
 *
 * A driver takes a device when driver_override names it; or, without an
 * override, when one of its new_ids or of its built-in ids matches. Built in are
 * the ids of the devices that the machine's description gives to it, and for
 * Linux's drivers for a class of devices that class. vfio-pci takes nothing of
 * itself.
 *
 * Source: drivers/base/bus.c, drivers/base/dd.c, drivers/pci/pci-driver.c of
 * Linux 6.12, for the order of checks and the errnos.
 */
#include "machine/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "group/group.h"
#include "machine/driver_files.h"
#include "machine/driver_group.h"
#include "machine/driver_hotplug.h"
#include "machine/fail.h"

#define ANY_ID	      0xffffffffu
#define IDS_MAX	      16384u
#define NATIVE_MAX    65536u
#define WAIT_NAP_MS   10u
#define WAIT_NAP_MAX  200u
#define WAIT_TELL_MS  5000u /* then the log tells what is waited for */
#define WAIT_ASK_MS   10000u /* the program is asked again this often */
#define NATIVE_FILE   "drivers/.native"
#define CONFIG_HEADER 0x0e /* header type */

/* Linux's drivers by class, for what a machine is likely to hold. */
static const struct {
	unsigned class;
	const char *driver;
} natives[] = {
	{ 0x010802, "nvme" },	       { 0x010601, "ahci" },	 { 0x0c0330, "xhci_hcd" },
	{ 0x0c0320, "ehci-pci" },      { 0x0c0310, "ohci-pci" }, { 0x0c0300, "uhci_hcd" },
	{ 0x040300, "snd_hda_intel" }, { 0x060400, "pcieport" }, { 0x060401, "pcieport" },
};

const char *driver_native(unsigned class)
{
	for (size_t i = 0; i < sizeof(natives) / sizeof(*natives); i++)
		if (natives[i].class == class)
			return natives[i].driver;
	return NULL;
}

/* "0000:01:00.0\n" as sysfs compares names: without the line's end. */
static bool text_name(const char *text, size_t len, char name[NAME_SIZE])
{
	size_t used = strnlen(text, len);

	if (used && text[used - 1] == '\n')
		used--;
	if (!used || used >= NAME_SIZE || memchr(text, '/', used))
		return false;
	memcpy(name, text, used);
	name[used] = '\0';
	return true;
}

/* The ids of a device, and of a line of new_id. */
struct ids {
	unsigned vendor, device, subvendor, subdevice, class, class_mask;
	unsigned long driver_data;
};

static int ids_scan(const char *text, struct ids *ids)
{
	*ids = (struct ids){ .subvendor = ANY_ID, .subdevice = ANY_ID };
	return sscanf(text, "%x %x %x %x %x %x %lx", &ids->vendor, &ids->device, &ids->subvendor,
		      &ids->subdevice, &ids->class, &ids->class_mask, &ids->driver_data);
}

static bool id_fits(unsigned wanted, unsigned is)
{
	return wanted == ANY_ID || wanted == is;
}

static bool ids_match(const struct ids *wanted, const struct ids *is)
{
	return id_fits(wanted->vendor, is->vendor) && id_fits(wanted->device, is->device) &&
	       id_fits(wanted->subvendor, is->subvendor) &&
	       id_fits(wanted->subdevice, is->subdevice) &&
	       !((wanted->class ^ is->class) & wanted->class_mask);
}

/* The text of a driver's new_ids, a line each, to be freed; NULL without memory. */
static char *dynids_read(const struct session_files *files, const char *driver, char *path)
{
	char *text = malloc(IDS_MAX);

	if (text) {
		path_print(path, "drivers/%s", driver);
		file_read(files, path, text, IDS_MAX);
	}
	return text;
}

/* The line of @text whose ids match, and its end behind the line feed; or NULL. */
static char *dynids_find(char *text, const struct ids *is, char **end)
{
	struct ids wanted;

	for (char *line = text; *line; line = *end) {
		*end = strchrnul(line, '\n');
		*end += **end == '\n';
		if (ids_scan(line, &wanted) >= 2 && ids_match(&wanted, is))
			return line;
	}
	return NULL;
}

static bool dynids_match(const struct session_files *files, const char *driver,
			 const struct ids *is)
{
	char path[PATH_MAX], *end, *text = dynids_read(files, driver, path);
	bool found = text && dynids_find(text, is, &end);

	free(text);
	return found;
}

/* Whether the ids are among those that the driver is built with. */
static bool builtin_match(const struct session_files *files, const char *driver,
			  const struct ids *is)
{
	struct ids wanted = { ANY_ID, ANY_ID, ANY_ID, ANY_ID, 0, 0xffffff, 0 };
	char name[NAME_SIZE], *text;
	bool found = false;

	for (size_t i = 0; i < sizeof(natives) / sizeof(*natives) && !found; i++) {
		wanted.class = natives[i].class;
		found = !strcmp(natives[i].driver, driver) && ids_match(&wanted, is);
	}
	text = found ? NULL : malloc(NATIVE_MAX);
	if (!text)
		return found;
	file_read(files, NATIVE_FILE, text, NATIVE_MAX);
	for (const char *line = text; *line && !found; line += *line == '\n') {
		found = sscanf(line, "%255s %x %x %x %x", name, &wanted.vendor, &wanted.device,
			       &wanted.class, &wanted.class_mask) == 5 &&
			!strcmp(name, driver) && ids_match(&wanted, is);
		line = strchrnul(line, '\n');
	}
	free(text);
	return found;
}

static void device_ids(const struct session_files *files, const char *address, struct ids *ids)
{
	*ids = (struct ids){
		.vendor = device_number(files, address, "vendor"),
		.device = device_number(files, address, "device"),
		.subvendor = device_number(files, address, "subsystem_vendor"),
		.subdevice = device_number(files, address, "subsystem_device"),
		.class = device_number(files, address, "class"),
	};
}

static bool driver_matches(const struct session_files *files, const char *driver,
			   const char *address)
{
	char path[PATH_MAX], override[NAME_SIZE];
	struct ids ids;
	ssize_t len;

	path_print(path, "sys/bus/pci/devices/%s/driver_override", address);
	len = file_read(files, path, override, sizeof(override));
	if (len > 0 && strcmp(override, "(null)\n") != 0) {
		override[len - 1] = '\0';
		return !strcmp(override, driver);
	}
	device_ids(files, address, &ids);
	return dynids_match(files, driver, &ids) || builtin_match(files, driver, &ids);
}

/* Why a driver's probe would refuse the device, or 0. */
static int driver_probe(const struct session_files *files, const char *driver, const char *address)
{
	char path[PATH_MAX], config[CONFIG_HEADER + 2], group[NAME_SIZE];
	bool grouped, vfio = !strcmp(driver, "vfio-pci");

	path_print(path, "sys/bus/pci/devices/%s/iommu_group", address);
	grouped = link_name(files, path, group);
	if (!vfio)
		return grouped && !driver_manages_dma(driver) && group_in_use(files, group) ?
			       -EBUSY :
			       0;
	if (!grouped)
		return -EINVAL;
	if (sriov_count(files, address))
		return -EBUSY;
	path_print(path, "sys/bus/pci/devices/%s/config", address);
	if (file_read(files, path, config, sizeof(config)) == CONFIG_HEADER + 1 &&
	    (config[CONFIG_HEADER] & 0x7f) && (config[CONFIG_HEADER] & 0xff) != 0xff)
		return -EINVAL; /* a bridge, which one that does not answer is not taken for */
	return 0;
}

static int driver_attach(const struct session_files *files, const char *driver, const char *address)
{
	int ret = driver_probe(files, driver, address);

	return ret ? ret : device_set_driver(files, address, driver);
}

struct probing {
	const char *address;
	bool native; /* only drivers that need no new_id */
};

static int probe_driver(const struct session_files *files, const char *driver, void *arg)
{
	const char *address = arg;

	if (!driver_matches(files, driver, address))
		return 0;
	return driver_attach(files, driver, address) ? 0 : 1;
}

int device_probe(const struct session_files *files, const char *address)
{
	char path[PATH_MAX], driver[NAME_SIZE];
	int ret;

	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	if (link_name(files, path, driver))
		return 0;
	ret = files_each(files, "sys/bus/pci/drivers", probe_driver, (void *)address);
	return ret < 0 ? ret : 0;
}

static int store_bind(const struct session_files *files, const char *driver, const char *text,
		      size_t len)
{
	char address[NAME_SIZE], path[PATH_MAX], now[NAME_SIZE];

	if (!text_name(text, len, address) || !device_directory(files, address, path) ||
	    !driver_matches(files, driver, address))
		return -ENODEV;
	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	if (link_name(files, path, now))
		return -EBUSY;
	return driver_attach(files, driver, address);
}

static int store_unbind(const struct session_files *files, const char *driver, const char *text,
			size_t len)
{
	char address[NAME_SIZE], path[PATH_MAX], now[NAME_SIZE];
	int ret;

	if (!text_name(text, len, address))
		return -ENODEV;
	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	if (!link_name(files, path, now) || strcmp(now, driver) != 0)
		return -ENODEV;
	ret = sriov_disable(files, address); /* as drivers do when they go */
	return ret ? ret : device_set_driver(files, address, NULL);
}

static int probe_unbound(const struct session_files *files, const char *address, void *arg)
{
	char path[PATH_MAX], now[NAME_SIZE];
	const char *driver = arg;

	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	if (!link_name(files, path, now) && driver_matches(files, driver, address))
		driver_attach(files, driver, address);
	return 0;
}

/* All entries of these drivers' tables have 0, and no other value is let in. */
static bool driver_data_fits(const char *driver, unsigned long data)
{
	return !data || (strcmp(driver, "vfio-pci") != 0 && strcmp(driver, "pcieport") != 0);
}

static int store_new_id(const struct session_files *files, const char *driver, const char *text,
			size_t len)
{
	char path[PATH_MAX], *ids, *end;
	struct ids given;
	int fields = ids_scan(text, &given), ret = 0;
	size_t used;

	if (fields < 2)
		return -EINVAL;
	if (fields != 7 && builtin_match(files, driver, &given))
		return -EEXIST;
	if (!driver_data_fits(driver, given.driver_data))
		return -EINVAL;
	ids = dynids_read(files, driver, path);
	if (!ids)
		return -ENOMEM;
	used = strlen(ids);
	if (fields != 7 && dynids_find(ids, &given, &end))
		ret = -EEXIST;
	else if (used + 128 > IDS_MAX)
		ret = -ENOMEM;
	if (!ret) {
		snprintf(ids + used, IDS_MAX - used, "%x %x %x %x %x %x %lx\n", given.vendor,
			 given.device, given.subvendor, given.subdevice, given.class,
			 given.class_mask, given.driver_data);
		ret = file_replace(files, path, ids);
	}
	free(ids);
	return ret ? ret : files_each(files, "sys/bus/pci/devices", probe_unbound, (void *)driver);
}

static int store_remove_id(const struct session_files *files, const char *driver, const char *text,
			   size_t len)
{
	char path[PATH_MAX], *ids, *line, *end = NULL;
	struct ids given, had;
	int ret = -ENODEV;

	if (ids_scan(text, &given) < 2)
		return -EINVAL;
	ids = dynids_read(files, driver, path);
	if (!ids)
		return -ENOMEM;
	for (line = ids; *line; line = end) {
		end = strchrnul(line, '\n');
		end += *end == '\n';
		if (ids_scan(line, &had) < 2 || had.vendor != given.vendor ||
		    had.device != given.device || !id_fits(given.subvendor, had.subvendor) ||
		    !id_fits(given.subdevice, had.subdevice) ||
		    ((had.class ^ given.class) & given.class_mask))
			continue;
		memmove(line, end, strlen(end) + 1);
		ret = file_replace(files, path, ids);
		break;
	}
	free(ids);
	return ret;
}

static int store_override(const struct session_files *files, const char *address, const char *text,
			  size_t len)
{
	size_t used = strnlen(text, len);
	char path[PATH_MAX], line[NAME_SIZE + 1];
	const char *end = memchr(text, '\n', used);

	if (len >= 4095)
		return -EINVAL;
	if (end)
		used = (size_t)(end - text);
	if (used >= NAME_SIZE)
		return -EINVAL;
	if (used)
		snprintf(line, sizeof(line), "%.*s\n", (int)used, text);
	else
		strcpy(line, "(null)\n");
	path_print(path, "sys/bus/pci/devices/%s/driver_override", address);
	return file_replace(files, path, line);
}

/* As kstrtoul(): a number, at most a line feed behind it. */
static bool text_number(const char *text, unsigned long *out)
{
	char *end;

	if (*text == '+')
		text++;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoul(text, &end, 0);
	if (*end == '\n')
		end++;
	return !*end && !errno;
}

static int store_bus(const struct session_files *files, const char *attr, const char *text,
		     size_t len)
{
	char address[NAME_SIZE], path[PATH_MAX];
	unsigned long value;

	if (!strcmp(attr, "drivers_probe")) {
		if (!text_name(text, len, address) || !device_directory(files, address, path))
			return -ENODEV;
		return device_probe(files, address) ? -EINVAL : 0;
	}
	if (!strcmp(attr, "drivers_autoprobe"))
		return file_replace(files, "sys/bus/pci/drivers_autoprobe",
				    text[0] == '0' ? "0\n" : "1\n");
	if (!text_number(text, &value))
		return -EINVAL;
	return value ? bus_rescan(files) : 0;
}

/* Counted, and only for a device that no driver has enabled already. */
static int store_enable(const struct session_files *files, const char *address, bool on)
{
	char path[PATH_MAX], text[32];
	unsigned long count;

	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	if (file_exists(files, path))
		return -EBUSY;
	path_print(path, "sys/bus/pci/devices/%s/enable", address);
	file_read(files, path, text, sizeof(text));
	count = strtoul(text, NULL, 10);
	if (!on && !count)
		return -EIO;
	snprintf(text, sizeof(text), "%lu\n", on ? count + 1 : count - 1);
	return file_replace(files, path, text);
}

static int store_device(const struct session_files *files, const char *address, const char *attr,
			const char *text, size_t len)
{
	unsigned long value;

	if (!strcmp(attr, "driver_override"))
		return store_override(files, address, text, len);
	if (!text_number(text, &value))
		return -EINVAL;
	if (!strcmp(attr, "sriov_numvfs"))
		return sriov_set(files, address, value);
	if (!strcmp(attr, "enable"))
		return store_enable(files, address, value);
	if (!value)
		return 0;
	return strcmp(attr, "remove") ? bus_rescan(files) : device_remove(files, address);
}

static int store_driver(const struct session_files *files, const char *driver, const char *attr,
			const char *text, size_t len)
{
	static const struct {
		const char *attr;
		int (*store)(const struct session_files *files, const char *driver,
			     const char *text, size_t len);
	} stores[] = {
		{ "bind", store_bind },
		{ "unbind", store_unbind },
		{ "new_id", store_new_id },
		{ "remove_id", store_remove_id },
	};

	for (size_t i = 0; i < sizeof(stores) / sizeof(*stores); i++)
		if (!strcmp(attr, stores[i].attr))
			return stores[i].store(files, driver, text, len);
	return -EINVAL;
}

/* Whether a program has the device open through vfio-pci; it is asked to let go of it if @ask. */
static int device_held(const char *session, const char *address, bool ask)
{
	char path[PATH_MAX], driver[NAME_SIZE];
	struct session_files files;
	bool held;
	int ret = files_open(&files, session, false);

	if (ret)
		return ret;
	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	held = link_name(&files, path, driver) && !strcmp(driver, "vfio-pci") &&
	       device_in_use(&files, address);
	if (held && ask)
		device_request(&files, address);
	files_close(&files);
	return held;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * As Linux: the program that has the device open is asked to let go of it, again every
 * ten seconds, and waited for as long as that takes. No lock is held meanwhile, and
 * unlike in Linux a signal that ends the process ends it here.
 */
static int wait_for_users(const char *session, const char *address)
{
	uint64_t start = now_ms(), waited = 0, asked = 0;
	unsigned nap = WAIT_NAP_MS;
	bool told = false;
	int ret;

	for (;;) {
		bool ask = waited >= asked;

		ret = device_held(session, address, ask);
		if (ret <= 0)
			return ret;
		asked += ask ? WAIT_ASK_MS : 0;
		nanosleep(&(struct timespec){ .tv_nsec = nap * 1000000l }, NULL);
		waited = now_ms() - start;
		if (!told && waited >= WAIT_TELL_MS) {
			told = true;
			log_line(LOG_WARN, "%s is open: waiting until its program lets go of it",
				 address);
		}
		nap = nap * 2 < WAIT_NAP_MAX ? nap * 2 : WAIT_NAP_MAX;
	}
}

/* "driver/NAME/ATTR", "device/ADDRESS/ATTR", "group/NUMBER/type", "bus/ATTR" */
static int store_split(const char *session, char *name, const char *text, size_t len)
{
	char *who = strchr(name, '/'), *attr, address[NAME_SIZE];
	struct session_files files;
	int ret = 0;

	if (!who)
		return -EINVAL;
	*who++ = '\0';
	attr = strchr(who, '/');
	if (attr)
		*attr++ = '\0';
	if (attr && !strcmp(attr, "unbind") && text_name(text, len, address))
		ret = wait_for_users(session, address);
	else if (attr && !strcmp(attr, "remove"))
		ret = wait_for_users(session, who);
	if (!ret)
		ret = files_open(&files, session, true);
	if (ret)
		return ret;
	if (!attr)
		ret = store_bus(&files, who, text, len);
	else if (!strcmp(name, "driver"))
		ret = store_driver(&files, who, attr, text, len);
	else if (!strcmp(name, "group"))
		ret = group_store_type(&files, who, text);
	else
		ret = store_device(&files, who, attr, text, len);
	files_close(&files);
	return ret;
}

int driver_store(const char *session, const char *name, const char *text, size_t len)
{
	char split[DRIVER_ATTR_MAX], *copy;
	int saved = errno, ret;

	if (strlen(name) >= sizeof(split))
		return -EINVAL;
	strcpy(split, name);
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	ret = store_split(session, split, copy, len);
	free(copy);
	errno = saved;
	return ret;
}

static bool word_of(const char *word, const char *const *words)
{
	while (*words && strcmp(word, *words) != 0)
		words++;
	return *words;
}

bool driver_attr(const char *path, char name[DRIVER_ATTR_MAX])
{
	static const char *const bus[] = { "drivers_probe", "drivers_autoprobe", "rescan", NULL };
	static const char *const driver[] = { "bind", "unbind", "new_id", "remove_id", NULL };
	static const char *const device[] = { "driver_override", "remove", "rescan",
					      "sriov_numvfs",	 "enable", NULL };
	char dir[NAME_SIZE], attr[32];
	struct pci_address at;
	const char *slash;
	size_t len;
	int n = -1;

	if (sscanf(path, "sys/bus/pci/drivers/%255[^/]/%31[^/]%n", dir, attr, &n) == 2 &&
	    n == (int)strlen(path) && word_of(attr, driver))
		return snprintf(name, DRIVER_ATTR_MAX, "driver/%s/%s", dir, attr) <
		       (int)DRIVER_ATTR_MAX;
	n = -1;
	if (sscanf(path, "sys/bus/pci/%31[^/]%n", attr, &n) == 1 && n == (int)strlen(path) &&
	    word_of(attr, bus))
		return snprintf(name, DRIVER_ATTR_MAX, "bus/%s", attr) < (int)DRIVER_ATTR_MAX;
	n = -1;
	if (sscanf(path, "sys/kernel/iommu_groups/%31[0-9]/type%n", attr, &n) == 1 &&
	    n == (int)strlen(path))
		return snprintf(name, DRIVER_ATTR_MAX, "group/%s/type", attr) <
		       (int)DRIVER_ATTR_MAX;
	slash = strrchr(path, '/');
	if (strncmp(path, "sys/devices/pci", 15) != 0 || !slash || !word_of(slash + 1, device))
		return false;
	len = (size_t)(slash - path);
	while (slash > path && slash[-1] != '/')
		slash--;
	len -= (size_t)(slash - path);
	if (len >= sizeof(dir))
		return false;
	memcpy(dir, slash, len);
	dir[len] = '\0';
	slash = strrchr(path, '/');
	if (pci_address_parse(dir, &at))
		return strstr(path, "/pci_bus/") && !strcmp(slash, "/rescan") &&
		       strcpy(name, "bus/rescan");
	return snprintf(name, DRIVER_ATTR_MAX, "device/%s%s", dir, slash) < (int)DRIVER_ATTR_MAX;
}

int driver_of(const char *session, const char *address, char *name, size_t size)
{
	char path[PATH_MAX], found[NAME_SIZE] = "";
	struct session_files files;
	int saved = errno;
	int ret = files_open(&files, session, false);

	if (ret)
		return ret;
	if (!device_directory(&files, address, path))
		ret = -ENODEV;
	path_print(path, "sys/bus/pci/devices/%s/driver", address);
	if (!ret && link_name(&files, path, found) && strlen(found) >= size)
		ret = -ENAMETOOLONG;
	if (!ret)
		strcpy(name, found);
	files_close(&files);
	errno = saved;
	return ret;
}
