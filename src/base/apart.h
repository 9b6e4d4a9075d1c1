/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mappings of our own, apart from the program's.
 *
 * Where the kernel chooses, it takes the highest gap that is large enough: perhaps
 * one that the program has just made with munmap(), and means to fill again with
 * MAP_FIXED, over whatever lies there by then. On Linux nothing comes to lie there,
 * as a driver's memory is the kernel's. So each of our mappings asks for a place in
 * a part of the address space that nobody gets unasked. Asking reserves nothing and
 * cannot fail: where the place is taken (a sanitizer's shadow, a program that wants
 * that very address), the kernel chooses.
 */
#ifndef RF_BASE_APART_H
#define RF_BASE_APART_H

#include <stddef.h>
#include <sys/types.h>

/*
 * As sys_mmap() without an address; of two mebibytes and more at a multiple of
 * them, for huge pages. From any thread and in signal handlers: no lock is taken.
 */
void *apart_mmap(size_t len, int prot, int flags, int fd, off_t off);

#endif
