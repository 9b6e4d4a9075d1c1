/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --why: in plain words, what puts a device into its group, who else is there,
 * and what it would take to have it alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/groups.h"
#include "group/why.h"

#define WRAP 78u

/* Words that wrap at the edge of a terminal, every line after the first indented. */
static void print_wrapped(FILE *out, const char *lead, const char *text)
{
	size_t indent = strlen(lead), column = indent;

	fputs(lead, out);
	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > indent && column + 1 + word > WRAP) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)word, text);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_sentence(FILE *out, const char *lead, const char *text)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s.", text);
	print_wrapped(out, lead, line);
}

static void print_members(const struct groups_view *view, const struct pci_function *fn, FILE *out)
{
	char name[256];
	size_t others = 0;

	for (size_t i = 0; i < view->nr; i++) {
		const struct pci_function *other = view->functions[i];

		if (other == fn || other->group != fn->group)
			continue;
		if (!others++)
			fprintf(out, "\nWith it in group %d:\n", fn->group);
		fprintf(out, "  %s  %s, %s\n", other->name,
			names_device(view->names, other, name, sizeof(name)),
			other->driver ?: "no driver");
	}
}

/* Which driver has to go before the group can be given away. */
static void print_viability(const struct groups_view *view, const struct pci_function *fn,
			    FILE *out)
{
	size_t blocking = 0;
	char line[256];

	fputs("\nCan it be given to a program or a guest?\n", out);
	for (size_t i = 0; i < view->nr; i++) {
		const struct pci_function *other = view->functions[i];

		if (other->group != fn->group || function_viable(other))
			continue;
		blocking++;
		snprintf(line, sizeof(line),
			 "%s is bound to %s: bind it to vfio-pci, or to nothing", other->name,
			 other->driver);
		print_sentence(out, blocking == 1 ? "  No: " : "      ", line);
	}
	if (!blocking && fn->driver && !strcmp(fn->driver, "vfio-pci"))
		print_sentence(out, "  Yes: ", "no device of its group has a driver in the way");
	else if (!blocking)
		print_sentence(out, "  Yes, ",
			       "once it is bound to vfio-pci: no device of its "
			       "group has a driver in the way");
}

/* 1: one of the first @nr reasons has the same remedy; 0: none has; or -ENOMEM. */
static int remedy_said(const struct group_reason *reasons, size_t nr, const char *text)
{
	int same = 0;

	for (size_t i = 0; i < nr && !same; i++) {
		char *other = reason_remedy(&reasons[i]);

		same = other ? !strcmp(other, text) : -ENOMEM;
		free(other);
	}
	return same;
}

/* 0 or -ENOMEM. */
static int print_reasons(const struct group_reason *reasons, size_t nr, FILE *out)
{
	size_t remedies = 0;

	for (size_t i = 0; i < nr; i++) {
		char *text = reason_text(&reasons[i]);

		if (!text)
			return -ENOMEM;
		print_sentence(out, "  * ", text);
		free(text);
	}
	for (size_t i = 0; i < nr; i++) {
		char *text = reason_remedy(&reasons[i]);
		int said = text ? remedy_said(reasons, i, text) : -ENOMEM;

		if (said >= 0 && !said && *text) {
			if (!remedies++)
				fputs("\nWhat it would take to split it:\n", out);
			print_sentence(out, "  * ", text);
		}
		free(text);
		if (said < 0)
			return said;
	}
	return 0;
}

static int print_computed(const struct groups_view *view, const struct pci_function *fn, FILE *out)
{
	struct group_reason *reasons;
	size_t nr;
	int ret = why_function(view->topology, fn, view->grouping, &reasons, &nr);

	if (ret)
		return ret;
	fputs("\nWhy:\n", out);
	ret = print_reasons(reasons, nr, out);
	free(reasons);
	return ret;
}

static int print_given(const struct pci_function *fn, FILE *out)
{
	char *text = why_device(fn->dev);

	if (!text)
		return -ENOMEM;
	fputs("\nWhy:\n", out);
	print_sentence(out, "  * ", text);
	free(text);
	return 0;
}

int groups_print_why(const struct groups_view *view, const struct pci_function *fn, FILE *out)
{
	char name[256];
	int ret;

	fprintf(out, "%s  %s [%04x:%04x], %s\n", fn->name,
		names_device(view->names, fn, name, sizeof(name)), fn->vendor, fn->device,
		pci_function_kind(fn));
	if (fn->group == PCI_GROUP_NONE)
		fputs("It is in no group, so it can never be given away.\n", out);
	else
		fprintf(out, "It is in group %d.\n", fn->group);
	ret = view->given ? print_given(fn, out) : print_computed(view, fn, out);
	if (ret || fn->group == PCI_GROUP_NONE)
		return ret;
	print_members(view, fn, out);
	print_viability(view, fn, out);
	return 0;
}
