/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ringfence groups: the isolation groups of a machine, a session or this host.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/groups.h"
#include "cli/load.h"
#include "group/pci.h"
#include "machine/description.h"
#include "machine/driver.h"
#include "machine/session.h"
#include "machine/topology.h"

static const char help[] =
	"usage: ringfence groups [OPTION]...\n"
	"\n"
	"Show which devices can only be given away together: the isolation groups of a\n"
	"machine, of the session this runs in, or else of this host (reading only).\n"
	"\n"
	"options:\n"
	"  --machine FILE  of a machine file, see ringfence-machine(5)\n"
	"  --device SPEC   of a machine with this device, as 'ringfence run' takes it\n"
	"  --session DIR   of a session\n"
	"  --host          of this host, also within a session\n"
	"  --sysfs DIR     of the host whose /sys this is a copy of\n"
	"  --why BDF       what puts this device in its group, and what would split it\n"
	"  --json          as JSON\n"
	"  --dot           as a graph for Graphviz\n"
	"  --svg           as a drawing\n"
	"  --help          show this\n";

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_DOT, FORMAT_SVG };

/**
 * struct groups - one invocation
 */
struct groups {
	struct load load;
	const char *session;
	const char *sysfs;
	const char *why;
	enum format format;
	unsigned sources;
	bool host;

	struct groups_view view;
	struct import import;
	struct rf_machine *machine;
	struct pci_topology *implied;
};

static const struct option known[] = {
	{ "machine", required_argument, NULL, 'm' },
	{ "device", required_argument, NULL, 'd' },
	{ "session", required_argument, NULL, 's' },
	{ "host", no_argument, NULL, 'H' },
	{ "sysfs", required_argument, NULL, 'S' },
	{ "why", required_argument, NULL, 'w' },
	{ "json", no_argument, NULL, 'j' },
	{ "dot", no_argument, NULL, 'g' },
	{ "svg", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int set_format(struct groups *g, enum format format)
{
	if (g->format != FORMAT_TABLE)
		return complain("groups: choose one of --json, --dot and --svg");
	g->format = format;
	return 0;
}

static int set_option(struct groups *g, int opt)
{
	switch (opt) {
	case 'm':
		if (g->load.machine_file)
			return complain("groups: --machine is given twice");
		g->load.machine_file = optarg;
		return 0;
	case 'd':
		return load_add_device(&g->load, "groups", optarg);
	case 's':
		g->session = optarg;
		return 0;
	case 'S':
		g->sysfs = optarg;
		return 0;
	case 'H':
		g->host = true;
		return 0;
	case 'w':
		g->why = optarg;
		return 0;
	case 'j':
		return set_format(g, FORMAT_JSON);
	case 'g':
		return set_format(g, FORMAT_DOT);
	default:
		return set_format(g, FORMAT_SVG);
	}
}

/* 0 to go on, -1: help was shown, or EXIT_WRONG. */
static int parse_options(struct groups *g, int argc, char **argv)
{
	int opt, ret = 0;

	opterr = 0;
	while (!ret && (opt = getopt_long(argc, argv, "+:h", known, NULL)) != -1) {
		if (opt == 'h') {
			fputs(help, stdout);
			return -1;
		}
		if (opt == '?' || opt == ':')
			return complain_option("groups", argv, opt, known);
		ret = set_option(g, opt);
	}
	if (ret)
		return ret;
	if (optind < argc)
		return complain("groups: what is '%s' for? See 'ringfence groups --help'",
				argv[optind]);
	if ((g->load.machine_file || g->load.nr_devices) + !!g->session + !!g->sysfs + g->host > 1)
		return complain("groups: --machine or --device, --session, --sysfs and --host "
				"exclude each other");
	if (g->why && g->format != FORMAT_TABLE)
		return complain("groups: --why is told in words only");
	return 0;
}

/* The topology of a machine that was described without one: its devices, as they are. */
static int imply_topology(struct groups *g)
{
	struct pci_topology *topology = topology_new();
	char *why = NULL;
	int ret = topology ? 0 : -ENOMEM;

	g->implied = topology;
	for (struct rf_device *dev = g->machine->devices; dev && !ret; dev = dev->next) {
		struct pci_function values = PCI_FUNCTION_INIT, *fn;
		uint8_t bytes[PCI_CONFIG_EXT_SIZE];

		for (unsigned i = 0; i < dev->config_size; i++)
			bytes[i] = (uint8_t)config_read(dev, i, 1);
		values.address = dev->address;
		values.driver = dev->host_driver;
		ret = topology_add(topology, &values, &fn);
		if (!ret)
			ret = pci_function_decode(fn, bytes, dev->config_size, &why);
		free(why);
		why = NULL;
		if (!ret) {
			fn->dev = dev;
			fn->group = dev->group ? (int)dev->group->id : PCI_GROUP_NONE;
		}
	}
	if (!ret) {
		const struct pci_function *blame;

		ret = topology_link(topology, &blame, &why);
		free(why);
	}
	g->view.topology = topology;
	g->view.given = true;
	return ret ? complain("groups: %s", strerror(-ret)) : 0;
}

static int view_machine(struct groups *g)
{
	if (!g->machine->desc->topology)
		return imply_topology(g);
	g->view.topology = g->machine->desc->topology;
	g->view.grouping = machine_grouping(g->machine->desc);
	return 0;
}

/* Drivers as the session's links say; what was removed is not shown. */
static int view_session(struct groups *g)
{
	char *error = NULL;
	int ret = session_machine(g->session, &g->machine, &error);

	if (ret)
		complain("%s", error ?: strerror(-ret));
	free(error);
	if (ret)
		return EXIT_WRONG;
	g->view.title = g->session;
	ret = view_machine(g);
	for (struct pci_function *fn = ret ? NULL : topology_first(g->view.topology); fn;
	     fn = topology_next(fn)) {
		char driver[256];

		ret = driver_of(g->session, fn->name, driver, sizeof(driver));
		free(fn->driver);
		fn->driver = ret || !driver[0] ? NULL : strdup(driver);
		if (ret == -ENODEV)
			fn->group = PCI_GROUP_NONE;
		ret = 0;
	}
	return ret;
}

static int view_host(struct groups *g)
{
	const char *root = g->sysfs ?: "/sys";
	char *error = NULL;
	int ret = import_sysfs(root, &g->import, &error);

	if (ret)
		complain("%s", error ?: strerror(-ret));
	free(error);
	if (ret)
		return EXIT_WRONG;
	topology_set_firmware(g->import.topology);
	if (!g->import.nr_groups)
		topology_enable_acs(g->import.topology);
	pci_groups_compute(g->import.topology, PCI_GROUPS_BY_ISOLATION);
	g->view.topology = g->import.topology;
	g->view.host = &g->import;
	g->view.title = g->sysfs ?: "this host";
	return 0;
}

static int open_view(struct groups *g)
{
	int ret;

	if (g->load.machine_file || g->load.nr_devices) {
		ret = load_machine(&g->load, &g->machine);
		g->view.title = g->load.machine_file ?: "a machine";
		return ret ?: view_machine(g);
	}
	if (!g->session && !g->host && !g->sysfs)
		g->session = getenv(SESSION_ENV);
	return g->session ? view_session(g) : view_host(g);
}

static int by_group(const void *a, const void *b)
{
	const struct pci_function *x = *(struct pci_function *const *)a;
	const struct pci_function *y = *(struct pci_function *const *)b;

	if (x->group != y->group)
		return (unsigned)x->group < (unsigned)y->group ? -1 : 1; /* none comes last */
	return pci_address_compare(&x->address, &y->address);
}

static int sort_view(struct groups_view *view)
{
	size_t nr = topology_count(view->topology);

	view->functions = calloc(nr + 1, sizeof(struct pci_function *));
	view->names = names_new();
	if (!view->functions || !view->names)
		return complain("groups: %s", strerror(ENOMEM));
	for (struct pci_function *fn = topology_first(view->topology); fn; fn = topology_next(fn))
		view->functions[view->nr++] = fn;
	qsort(view->functions, view->nr, sizeof(struct pci_function *), by_group);
	return 0;
}

static int print_why(const struct groups *g)
{
	struct pci_function *fn;
	struct pci_address at;
	int ret;

	if (pci_address_parse(g->why, &at))
		return complain("groups: --why %s: expected an address like 0000:01:00.0", g->why);
	fn = topology_find(g->view.topology, &at);
	if (!fn)
		return complain("groups: --why %s: there is no such device", g->why);
	ret = groups_print_why(&g->view, fn, stdout);
	return ret ? complain("groups: %s", strerror(-ret)) : 0;
}

static int print_view(const struct groups *g)
{
	int ret = 0;

	if (g->why)
		return print_why(g);
	switch (g->format) {
	case FORMAT_TABLE:
		groups_print_table(&g->view, stdout);
		break;
	case FORMAT_JSON:
		ret = groups_print_json(&g->view, stdout);
		break;
	case FORMAT_DOT:
		groups_print_dot(&g->view, stdout);
		break;
	case FORMAT_SVG:
		ret = groups_print_svg(&g->view, stdout);
		break;
	}
	return ret ? complain("groups: %s", strerror(-ret)) : 0;
}

int cmd_groups(int argc, char **argv)
{
	struct groups *g = calloc(1, sizeof(*g));
	int status = g ? parse_options(g, argc, argv) : complain("%s", strerror(ENOMEM));

	if (!g)
		return status;
	if (!status)
		status = open_view(g);
	if (!status)
		status = sort_view(&g->view);
	if (!status)
		status = print_view(g);
	if (!status && (fflush(stdout) || ferror(stdout)))
		status = complain("groups: %s", strerror(errno));
	names_free(g->view.names);
	free(g->view.functions);
	topology_free(g->implied);
	import_release(&g->import);
	rf_machine_free(g->machine);
	free(g);
	return status < 0 ? 0 : status;
}
