/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers of the edu device, and its DMA by way of its mapped BAR.
 */
#ifndef TEST_E2E_EDU_BAR_H
#define TEST_E2E_EDU_BAR_H

#include <stdbool.h>
#include <stdint.h>

#define ID	   0x00
#define LIVENESS   0x04
#define IRQ_RAISE  0x60
#define IRQ_ACK	   0x64
#define DMA_SRC	   0x80
#define DMA_DST	   0x88
#define DMA_COUNT  0x90
#define DMA_CMD	   0x98
#define EDU_BUFFER 0x40000u
#define EDU_ID	   0x010000edu
#define BAR_SIZE   (1ul << 20)
#define IOVA	   0x100000u /* edu drives 28 address bits */
#define ADDRESS	   "0000:01:00.0"

static inline volatile uint32_t *bar_reg(volatile uint8_t *bar, unsigned off)
{
	return (volatile uint32_t *)(bar + off);
}

/* 64 bytes between memory and the device's buffer. */
static inline void bar_dma(volatile uint8_t *bar, uint64_t iova, bool to_memory)
{
	*(volatile uint64_t *)(bar + DMA_SRC) = to_memory ? EDU_BUFFER : iova;
	*(volatile uint64_t *)(bar + DMA_DST) = to_memory ? iova : EDU_BUFFER;
	*(volatile uint64_t *)(bar + DMA_COUNT) = 64;
	*bar_reg(bar, DMA_CMD) = 1 | (to_memory ? 2 : 0);
	while (*bar_reg(bar, DMA_CMD) & 1)
		;
}

#endif
