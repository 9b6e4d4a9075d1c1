/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done with a device of QEMU's `edu`, at BAR, where it is mapped.
 *
 *	dma BAR to|from IOVA BYTES [PLACE]	between memory and the device's buffer
 *	edu-wait BAR OFFSET MASK [set]		until these bits of the register are 0, or not
 *
 * The device takes its time, a model none: both are waited for, and neither is
 * told apart.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "player.h"

#define DMA_SRC	   0x80
#define DMA_DST	   0x88
#define DMA_COUNT  0x90
#define DMA_CMD	   0x98
#define DMA_START  1u
#define DMA_TO_RAM 2u
#define EDU_BUFFER 0x40000u
#define EDU_ROOM   4096u

static bool idle(volatile const uint8_t *reg)
{
	struct timespec moment = { .tv_nsec = 101000000 }; /* QEMU's takes 100 ms */

	for (unsigned i = 0; i < 200; i++) {
		uint32_t value = *(volatile const uint32_t *)reg;

		if (!(value & DMA_START))
			return true;
		if (value == UINT32_MAX)
			return false; /* nobody answers */
		nanosleep(&moment, NULL);
		moment.tv_nsec = 1000000;
	}
	return false;
}

static void start(volatile uint8_t *bar, bool to, uint64_t iova, uint64_t bytes, uint64_t place)
{
	*(volatile uint64_t *)(bar + DMA_SRC) = to ? EDU_BUFFER + place : iova;
	*(volatile uint64_t *)(bar + DMA_DST) = to ? iova : EDU_BUFFER + place;
	*(volatile uint64_t *)(bar + DMA_COUNT) = bytes;
	*(volatile uint32_t *)(bar + DMA_CMD) = DMA_START | (to ? DMA_TO_RAM : 0);
}

static void act_dma(struct call *call)
{
	volatile uint8_t *bar = (void *)call_number(call, 1);
	const char *way = call_word(call, 2);
	bool to = !strcmp(way, "to");
	uint64_t iova = call_number(call, 3), bytes = call_number(call, 4);
	uint64_t place = call->ntokens > 5 ? call_number(call, 5) : 0;
	volatile bool done = false;
	int sig;

	if (!to && strcmp(way, "from"))
		script_error(call, "dma BAR to|from IOVA BYTES [PLACE]");
	/* QEMU 7.2 ends when its edu is asked for more than it has, or for the last byte */
	if (place >= EDU_ROOM || bytes >= EDU_ROOM - place)
		script_error(call, "4095 bytes of edu can be reached");
	FAULT_TRY(sig, start(bar, to, iova, bytes, place); done = idle(bar + DMA_CMD));
	if (sig)
		call_say(call, " %s", fault_name(sig));
	else if (!done)
		call_say(call, " never done");
}

/*
 * QEMU computes factorials in a thread of the host's, which runs in the host's time: what the
 * guest sleeps may pass at once, what it reads takes as long as the host needs for it.
 */
static bool settled(volatile const uint8_t *reg, uint32_t mask, uint32_t want)
{
	for (unsigned i = 0; i < 1u << 23; i++) {
		if ((*(volatile const uint32_t *)reg & mask) == want)
			return true;
	}
	return false;
}

static void act_edu_wait(struct call *call)
{
	volatile uint8_t *bar = (void *)call_number(call, 1);
	uint64_t offset = call_number(call, 2);
	uint32_t mask = (uint32_t)call_number(call, 3), want = call_flag(call, "set") ? mask : 0;
	volatile bool done = false;
	int sig;

	FAULT_TRY(sig, done = settled(bar + offset, mask, want));
	if (sig)
		call_say(call, " %s", fault_name(sig));
	else if (!done)
		call_say(call, " never done");
}

const struct action_desc device_actions[] = {
	{ "dma", act_dma, 5 },
	{ "edu-wait", act_edu_wait, 4 },
	{ 0 },
};
