/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The machine's limit on locked memory, met by iommufd: memlock.json says 16 pages.
 */
#include "edu.h"

#define PAGE 4096ul

int main(void)
{
	struct edu e;
	uint8_t *p = pages(17 * PAGE, MAP_PRIVATE);
	bool ok;

	ok = p && edu_open(&e) && !attach_to(e.device, e.ioas) &&
	     !map_at(e.iommufd, e.ioas, p, 10 * PAGE, IOVA);
	ok = ok && map_at(e.iommufd, e.ioas, p + 10 * PAGE, 7 * PAGE, 2 * IOVA) && errno == ENOMEM;
	ok = ok && !map_at(e.iommufd, e.ioas, p + 10 * PAGE, 6 * PAGE, 2 * IOVA);
	ok = ok && map_at(e.iommufd, e.ioas, p, PAGE, 3 * IOVA) && errno == ENOMEM;
	ok = ok && !unmap_at(e.iommufd, e.ioas, 10 * PAGE, IOVA) &&
	     !map_at(e.iommufd, e.ioas, p, PAGE, 3 * IOVA);
	if (!ok)
		fprintf(stderr, "test_memlock: errno %d\n", errno);
	return ok && edu_close(&e) ? 0 : 1;
}
