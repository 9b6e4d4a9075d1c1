/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The summary at the end of a run: what the author of a driver wants to know
 * without asking, and above all what the driver did wrong.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/cli.h"

/* 67108864 -> "64.0 MiB" */
static const char *bytes_text(char text[32], uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	int unit = -1;

	while (value >= 1024 && unit < 5) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(text, 32, "%" PRIu64 " bytes", bytes);
	else
		snprintf(text, 32, "%.1f %s", value, units[unit]);
	return text;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void print_faults(const struct stats *s)
{
	const char *comma = "";

	fputs("  trouble     ", stderr);
	if (s->faults) {
		fprintf(stderr, "%" PRIu64 " DMA%s dropped", s->faults, plural(s->faults));
		comma = ", ";
	}
	if (s->warnings) {
		fprintf(stderr, "%s%" PRIu64 " driver mistake%s", comma, s->warnings,
			plural(s->warnings));
		comma = ", ";
	}
	if (s->lost_pages) {
		fprintf(stderr, "%s%" PRIu64 " page%s lost under DMA", comma, s->lost_pages,
			plural(s->lost_pages));
		comma = ", ";
	}
	fputs(*comma ? "\n" : "none\n", stderr);
}

/* Not wrong by itself: pinned pages stay. But the author may not know. */
static void print_kept(const struct stats *s)
{
	if (s->pins_moved)
		fprintf(stderr,
			"  kept        %" PRIu64 " page%s unmapped or freed by the program "
			"while mapped for DMA\n",
			s->pins_moved, plural(s->pins_moved));
}

static uint64_t left(uint64_t made, uint64_t ended)
{
	return made > ended ? made - ended : 0;
}

static void print_left(const struct stats *s)
{
	uint64_t maps = left(s->maps, s->unmaps), open = left(s->opens, s->closes);

	fputs("  left        ", stderr);
	if (!maps && !open)
		fputs("nothing mapped, nothing open\n", stderr);
	else
		fprintf(stderr, "%" PRIu64 " mapping%s never unmapped, %" PRIu64 " device%s open\n",
			maps, plural(maps), open, plural(open));
}

void summary_print(const struct stats *s, const char *program, int status, double seconds)
{
	char a[32], b[32];

	if (WIFSIGNALED(status))
		fprintf(stderr, "ringfence: %s was killed by SIG%s after %.2f s\n", program,
			sigabbrev_np(WTERMSIG(status)) ?: "?", seconds);
	else
		fprintf(stderr, "ringfence: %s exited with status %d after %.2f s\n", program,
			WEXITSTATUS(status), seconds);
	if (!s->opens) {
		fputs("  no device was opened\n", stderr);
		return;
	}
	fprintf(stderr, "  mapped      %" PRIu64 " mapping%s, %s\n", s->maps, plural(s->maps),
		bytes_text(a, s->mapped_bytes));
	fprintf(stderr, "  DMA         %s read, %s written by devices\n",
		bytes_text(a, s->dma_read), bytes_text(b, s->dma_written));
	fprintf(stderr, "  interrupts  %" PRIu64 "\n", s->irqs);
	fprintf(stderr, "  MMIO        %" PRIu64 " trap%s, %" PRIu64 " doorbell%s by polling\n",
		s->mmio_traps, plural(s->mmio_traps), s->polls, plural(s->polls));
	print_faults(s);
	print_kept(s);
	print_left(s);
}
