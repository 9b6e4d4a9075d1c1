/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The expansion ROM. It is there for a program if it looks like one: images, each with a
 * header and a structure that says how long it is and whether it is the last. What is
 * behind them in the BAR reads as ones. A ROM is read, never written or mapped.
 */
#include <string.h>

#include "vfio/config.h"

#define SECTOR	    512u
#define HEADER_SIZE 26u
#define HEADER_DATA 24u /* where the structure is */
#define DATA_LENGTH 10u /* of the structure itself */
#define DATA_LEAST  24u
#define DATA_IMAGE  16u /* sectors of the image */
#define DATA_LAST   21u

static bool rom_header_at(const struct rf_device *dev, uint64_t at, uint8_t header[HEADER_SIZE])
{
	if (at + HEADER_SIZE > dev->model->rom_size)
		return false;
	rom_read_bytes(dev, at, header, HEADER_SIZE);
	return word_at(header) == 0xaa55;
}

/* The structure of an image, as far as it is looked at. */
static bool rom_data_at(const struct rf_device *dev, uint64_t at, uint8_t data[DATA_LEAST])
{
	unsigned length;

	if (at % 4 || at + DATA_LEAST > dev->model->rom_size)
		return false;
	rom_read_bytes(dev, at, data, DATA_LEAST);
	length = word_at(data + DATA_LENGTH);
	return !memcmp(data, "PCIR", 4) && length >= DATA_LEAST && length != 0xffff &&
	       at + length <= dev->model->rom_size;
}

uint64_t vdev_rom_length(const struct vdev *v)
{
	uint8_t header[HEADER_SIZE], data[DATA_LEAST];
	uint64_t at = 0, size = v->dev->model->rom_size;

	while (rom_header_at(v->dev, at, header)) {
		unsigned sectors;

		if (!rom_data_at(v->dev, at + word_at(header + HEADER_DATA), data))
			break;
		sectors = word_at(data + DATA_IMAGE);
		at += (uint64_t)sectors * SECTOR;
		if (!sectors || data[DATA_LAST] & 0x80)
			break;
	}
	return at < size ? at : size;
}

void vdev_rom_read(const struct vdev *v, uint64_t pos, uint8_t *buf, size_t len)
{
	uint64_t length = vdev_rom_length(v);
	size_t there = pos < length ? length - pos : 0;

	if (there > len)
		there = len;
	rom_read_bytes(v->dev, pos, buf, there);
	memset(buf + there, 0xff, len - there);
}
