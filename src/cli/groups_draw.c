/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A topology as a drawing: a tree from left to right, a box a function, the same
 * colour for the same group. For Graphviz, or as SVG by ourselves: leaves take
 * rows from top to bottom, a bridge stands in the middle of what is below it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/groups.h"

#define BOX_WIDTH  268
#define BOX_HEIGHT 50
#define ROW	   60
#define COLUMN	   328
#define MARGIN	   28
#define HEAD	   84
#define ROOT_WIDTH 110
#define NAME_CHARS 40u

/* Hues that lie far apart, however many groups there are: steps of the golden angle. */
static void group_colour(int group, unsigned lightness, char text[32])
{
	unsigned hue = (unsigned)group * 137508u / 1000u % 360u;

	if (group == PCI_GROUP_NONE)
		snprintf(text, 32, "hsl(0,0%%,%u%%)", lightness);
	else
		snprintf(text, 32, "hsl(%u,%u%%,%u%%)", hue, lightness > 60 ? 70 : 55, lightness);
}

/* The same as red, green and blue, for Graphviz. */
static void group_rgb(int group, double lightness, char text[16])
{
	double hue = (unsigned)group * 137508u / 1000u % 360u / 60.0, s = 0.7, c, x, m, r, g, b;

	if (group == PCI_GROUP_NONE)
		s = hue = 0;
	c = (1 - (lightness > 0.5 ? 2 * lightness - 1 : 1 - 2 * lightness)) * s;
	x = hue - 2 * (int)(hue / 2) - 1;
	x = c * (1 - (x < 0 ? -x : x));
	m = lightness - c / 2;
	r = hue < 1 || hue >= 5 ? c : hue < 2 || hue >= 4 ? x : 0;
	g = hue < 1 || (hue >= 3 && hue < 4) ? x : hue < 3 ? c : 0;
	b = hue < 2 ? 0 : hue < 3 || hue >= 5 ? x : c;
	snprintf(text, 16, "#%02x%02x%02x", (unsigned)((r + m) * 255), (unsigned)((g + m) * 255),
		 (unsigned)((b + m) * 255));
}

static void print_escaped(FILE *out, const char *text, const char *special)
{
	for (; *text; text++) {
		if (!strchr(special, *text))
			fputc(*text, out);
		else if (special[0] == '"')
			fprintf(out, "\\%c", *text);
		else
			fprintf(out, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : "&gt;");
	}
}

static void print_xml(FILE *out, const char *text)
{
	print_escaped(out, text, "<>&");
}

void groups_print_dot(const struct groups_view *view, FILE *out)
{
	char name[256], colour[16];

	fputs("digraph groups {\n\trankdir=LR;\n\tnode [shape=box, style=\"rounded,filled\", "
	      "fontname=\"sans-serif\", fontsize=10];\n\tedge [arrowhead=none];\n",
	      out);
	for (struct pci_function *fn = topology_first(view->topology); fn; fn = topology_next(fn)) {
		group_rgb(fn->group, 0.85, colour);
		fprintf(out, "\t\"%s\" [fillcolor=\"%s\", label=\"%s  %s\\n", fn->name, colour,
			fn->name, pci_function_kind(fn));
		print_escaped(out, names_device(view->names, fn, name, sizeof(name)), "\"\\");
		if (fn->group == PCI_GROUP_NONE)
			fputs("\\nno group", out);
		else
			fprintf(out, "\\ngroup %d", fn->group);
		fprintf(out, "%s%s\"];\n", fn->driver ? ", " : "", fn->driver ?: "");
		if (fn->parent)
			fprintf(out, "\t\"%s\" -> \"%s\";\n", fn->parent->name, fn->name);
		else
			fprintf(out, "\t\"bus %04x:%02x\" -> \"%s\";\n", fn->address.domain,
				fn->address.bus, fn->name);
	}
	fputs("}\n", out);
}

/**
 * struct box - where a function is drawn
 * @y: of its middle, in half rows
 */
struct box {
	const struct pci_function *fn;
	unsigned depth;
	unsigned y;
};

/**
 * struct drawing - boxes by the address of their function
 * @nr_rows: taken by leaves so far
 */
struct drawing {
	const struct groups_view *view;
	FILE *out;
	struct box *boxes;
	size_t nr;
	unsigned nr_rows;
	unsigned depth;
};

static unsigned function_depth(const struct pci_function *fn)
{
	unsigned depth = 0;

	for (; fn->parent; fn = fn->parent)
		depth++;
	return depth;
}

static int box_compare(const void *key, const void *box)
{
	return pci_address_compare(key, &((const struct box *)box)->fn->address);
}

static struct box *box_find(const struct drawing *d, const struct pci_function *fn)
{
	return bsearch(&fn->address, d->boxes, d->nr, sizeof(*d->boxes), box_compare);
}

/* The place of a function and of all below it; the y of its middle. */
static unsigned place_function(struct drawing *d, const struct pci_function *fn)
{
	struct box *box = box_find(d, fn);
	struct pci_bus *below = NULL;
	unsigned first = 0, last = 0, n = 0;

	if (pci_function_is_bridge(fn))
		below = topology_bus(d->view->topology, fn->address.domain, fn->secondary);
	for (unsigned devfn = 0; below && below->bridge == fn && devfn < PCI_DEVFNS; devfn++) {
		if (!below->at[devfn] || below->at[devfn]->parent != fn)
			continue;
		last = place_function(d, below->at[devfn]);
		first = n++ ? first : last;
	}
	box->y = n ? (first + last) / 2 : 2 * d->nr_rows++ + 1;
	return box->y;
}

static int box_x(const struct box *box)
{
	return MARGIN + ROOT_WIDTH + 46 + (int)box->depth * COLUMN;
}

static int box_y(const struct box *box)
{
	return HEAD + (int)box->y * ROW / 2;
}

static void draw_edge(const struct drawing *d, int x, int y, const struct box *to)
{
	int end = box_x(to), middle = end - 22;

	fprintf(d->out, "<path d=\"M%d %dH%dV%dH%d\" class=\"e\"/>\n", x, y, middle, box_y(to),
		end);
}

/* What a port fails to do, in two words; NULL for what isolates, and for no port. */
static const char *port_badge(const struct drawing *d, const struct pci_function *fn)
{
	struct acs_verdict verdict;

	if (fn->pcie != PCIE_ROOT_PORT && fn->pcie != PCIE_DOWNSTREAM && fn->pcie != PCIE_UPSTREAM)
		return NULL;
	if (!fn->caps_known)
		return "ACS unknown";
	verdict = acs_check(d->view->topology, fn);
	return verdict.isolated || fn->pcie == PCIE_UPSTREAM ? NULL :
	       fn->has_acs				     ? "ACS off" :
							       "no ACS";
}

/* "Intel Corporation I210" -> "Intel I210": there is little room. */
static void shorten(char *name)
{
	static const char *const tails[] = { " Corporation", ", Inc.",	      " Co Ltd",
					     " Electronics", " Technologies", " Semiconductor" };

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		char *at = strstr(name, tails[i]);

		if (at)
			memmove(at, at + strlen(tails[i]), strlen(at + strlen(tails[i])) + 1);
	}
}

static void draw_name(const struct drawing *d, const struct pci_function *fn)
{
	char name[256], *cut = name;

	names_device(d->view->names, fn, name, sizeof(name));
	shorten(name);
	if (strlen(name) > NAME_CHARS) {
		size_t end = NAME_CHARS - 1;

		while ((name[end] & 0xc0) == 0x80)
			end--; /* not in the middle of a character */
		cut[end] = '\0';
		print_xml(d->out, name);
		fputs("…", d->out);
		return;
	}
	print_xml(d->out, name);
}

static void draw_box(const struct drawing *d, const struct box *box)
{
	const struct pci_function *fn = box->fn;
	int x = box_x(box), y = box_y(box) - BOX_HEIGHT / 2;
	const char *badge = port_badge(d, fn);
	char fill[32], line[32], full[256];

	group_colour(fn->group, 93, fill);
	group_colour(fn->group, 42, line);
	fprintf(d->out, "<g><title>%s %s, ", fn->name, pci_function_kind(fn));
	print_xml(d->out, names_device(d->view->names, fn, full, sizeof(full)));
	fprintf(d->out,
		"</title>\n<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" "
		"fill=\"%s\" stroke=\"%s\"/>\n",
		x, y, BOX_WIDTH, BOX_HEIGHT, fill, line);
	fprintf(d->out, "<text x=\"%d\" y=\"%d\" class=\"a\">%s</text>\n", x + 10, y + 18,
		fn->name);
	if (badge)
		fprintf(d->out,
			"<text x=\"%d\" y=\"%d\" class=\"w\" text-anchor=\"end\">%s</text>\n",
			x + BOX_WIDTH - 46, y + 18, badge);
	fprintf(d->out,
		"<rect x=\"%d\" y=\"%d\" width=\"30\" height=\"17\" rx=\"8\" fill=\"%s\"/>\n",
		x + BOX_WIDTH - 38, y + 5, line);
	if (fn->group == PCI_GROUP_NONE)
		fprintf(d->out, "<text x=\"%d\" y=\"%d\" class=\"g\">–</text>\n",
			x + BOX_WIDTH - 23, y + 17);
	else
		fprintf(d->out, "<text x=\"%d\" y=\"%d\" class=\"g\">%d</text>\n",
			x + BOX_WIDTH - 23, y + 17, fn->group);
	fprintf(d->out, "<text x=\"%d\" y=\"%d\" class=\"n\">", x + 10, y + 31);
	draw_name(d, fn);
	fprintf(d->out, "</text>\n<text x=\"%d\" y=\"%d\" class=\"k\">%s", x + 10, y + 44,
		pci_function_kind(fn));
	if (fn->driver)
		fprintf(d->out, " · <tspan class=\"%s\">%s</tspan>",
			function_viable(fn) ? "f" : "h", fn->driver);
	fputs("</text></g>\n", d->out);
}

/* A root bus, and the lines to what is on it. */
static void draw_root(const struct drawing *d, size_t first, size_t end)
{
	const struct pci_function *fn = d->boxes[first].fn;
	int top = 0, bottom = 0, middle;

	for (size_t i = first; i < end; i++)
		if (!d->boxes[i].depth) {
			bottom = box_y(&d->boxes[i]);
			top = top ? top : bottom;
		}
	middle = (top + bottom) / 2;
	for (size_t i = first; i < end; i++)
		if (!d->boxes[i].depth)
			draw_edge(d, MARGIN + ROOT_WIDTH, middle, &d->boxes[i]);
	fprintf(d->out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"38\" rx=\"6\" fill=\"#f1f3f5\" "
		"stroke=\"#868e96\"/>\n<text x=\"%d\" y=\"%d\" class=\"r\">root bus</text>\n"
		"<text x=\"%d\" y=\"%d\" class=\"r b\">%04x:%02x</text>\n",
		MARGIN, middle - 19, ROOT_WIDTH, MARGIN + ROOT_WIDTH / 2, middle - 3,
		MARGIN + ROOT_WIDTH / 2, middle + 12, fn->address.domain, fn->address.bus);
}

static bool same_bus(const struct pci_function *a, const struct pci_function *b)
{
	return a->address.domain == b->address.domain && a->address.bus == b->address.bus;
}

static void draw_edges(const struct drawing *d)
{
	size_t end;

	for (size_t i = 0; i < d->nr; i = end) {
		for (end = i + 1; end < d->nr && same_bus(d->boxes[i].fn, d->boxes[end].fn);)
			end++;
		if (!d->boxes[i].fn->parent)
			draw_root(d, i, end);
	}
	for (size_t i = 0; i < d->nr; i++) {
		const struct pci_function *parent = d->boxes[i].fn->parent;
		const struct box *above = parent ? box_find(d, parent) : NULL;

		if (above)
			draw_edge(d, box_x(above) + BOX_WIDTH, box_y(above), &d->boxes[i]);
	}
}

static void draw_head(const struct drawing *d, int width, int height)
{
	size_t groups = 0, viable = 0, end;

	for (size_t i = 0; i < d->view->nr; i = end) {
		bool fine = group_is_viable(d->view, i, &end);

		if (d->view->functions[i]->group == PCI_GROUP_NONE)
			continue;
		groups++;
		viable += fine;
	}
	fprintf(d->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\">\n<style>\n"
		"text{font-family:'DejaVu Sans',Verdana,sans-serif;font-size:10px;fill:#343a40}\n"
		".a{font-family:'DejaVu Sans Mono',monospace;font-size:12px;font-weight:bold}\n"
		".n{font-size:10.5px}.k{fill:#5c6770}.t{font-size:17px;font-weight:bold}\n"
		".s{font-size:11.5px;fill:#5c6770}.g{fill:#fff;text-anchor:middle;"
		"font-weight:bold;font-size:10.5px}\n"
		".w{fill:#c92a2a;font-weight:bold}.h{fill:#c92a2a}.f{fill:#2b8a3e}\n"
		".r{text-anchor:middle}.b{font-family:'DejaVu Sans Mono',monospace;"
		"font-weight:bold;font-size:11.5px}\n"
		".e{fill:none;stroke:#adb5bd;stroke-width:1.4}\n</style>\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		width, height, width, height, width, height);
	fprintf(d->out, "<text x=\"%d\" y=\"34\" class=\"t\">Isolation groups: ", MARGIN);
	print_xml(d->out, d->view->title);
	fprintf(d->out,
		"</text>\n<text x=\"%d\" y=\"55\" class=\"s\">%zu functions in %zu groups, %zu of "
		"them viable. Colour and number tell the group.</text>\n"
		"<text x=\"%d\" y=\"71\" class=\"s\">Drivers: <tspan class=\"h\">one of the "
		"host's, "
		"that keeps its group from being given away</tspan>; <tspan class=\"f\">one that "
		"does "
		"not</tspan>.</text>\n",
		MARGIN, d->view->nr, groups, viable, MARGIN);
}

int groups_print_svg(const struct groups_view *view, FILE *out)
{
	struct drawing d = { .view = view, .out = out };
	int width, height;

	d.boxes = calloc(view->nr + 1, sizeof(*d.boxes));
	if (!d.boxes)
		return -ENOMEM;
	for (struct pci_function *fn = topology_first(view->topology); fn; fn = topology_next(fn)) {
		unsigned depth = function_depth(fn);

		d.boxes[d.nr++] = (struct box){ .fn = fn, .depth = depth };
		d.depth = d.depth < depth ? depth : d.depth;
	}
	for (size_t i = 0; i < d.nr; i++)
		if (!d.boxes[i].fn->parent)
			place_function(&d, d.boxes[i].fn);
	/* VFs on a bus to which nothing leads hang below their PF's bridge */
	for (size_t i = 0; i < d.nr; i++)
		if (!d.boxes[i].y)
			place_function(&d, d.boxes[i].fn);
	width = 2 * MARGIN + ROOT_WIDTH + 46 + (int)d.depth * COLUMN + BOX_WIDTH;
	width = width < 820 ? 820 : width;
	height = HEAD + (int)d.nr_rows * ROW + MARGIN / 2;
	draw_head(&d, width, height);
	draw_edges(&d);
	for (size_t i = 0; i < d.nr; i++)
		draw_box(&d, &d.boxes[i]);
	fputs("</svg>\n", out);
	free(d.boxes);
	return 0;
}
