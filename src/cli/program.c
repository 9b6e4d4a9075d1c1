/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking at a program before it runs. LD_PRELOAD does nothing for a program
 * without a dynamic loader, and one that is linked to a sanitizer insists that
 * the sanitizer's library comes first: both are better known beforehand.
 *
 * The ELF headers are read with bounds checks; a file that makes no sense is
 * left to execve() to refuse.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

/**
 * struct image - a 64-bit ELF file, mapped
 */
struct image {
	const uint8_t *bytes;
	size_t size;
	const Elf64_Phdr *phdrs;
	size_t nr_phdrs;
};

static bool image_has(const struct image *image, uint64_t off, uint64_t len)
{
	return off <= image->size && len <= image->size - off;
}

static bool image_open(struct image *image, const char *path)
{
	const Elf64_Ehdr *ehdr;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *bytes = MAP_FAILED;

	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && st.st_size >= (off_t)sizeof(*ehdr))
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return false;
	image->bytes = bytes;
	image->size = (size_t)st.st_size;
	ehdr = bytes;
	if (!memcmp(ehdr->e_ident, ELFMAG, SELFMAG) && ehdr->e_ident[EI_CLASS] == ELFCLASS64 &&
	    ehdr->e_phentsize == sizeof(Elf64_Phdr) && ehdr->e_phoff % 8 == 0 &&
	    image_has(image, ehdr->e_phoff, (uint64_t)ehdr->e_phnum * sizeof(Elf64_Phdr))) {
		image->phdrs = (const Elf64_Phdr *)(image->bytes + ehdr->e_phoff);
		image->nr_phdrs = ehdr->e_phnum;
		return true;
	}
	munmap(bytes, image->size);
	return false;
}

static void image_close(struct image *image)
{
	munmap((void *)image->bytes, image->size);
}

static const Elf64_Phdr *image_segment(const struct image *image, uint32_t type)
{
	for (size_t i = 0; i < image->nr_phdrs; i++)
		if (image->phdrs[i].p_type == type)
			return &image->phdrs[i];
	return NULL;
}

/* The file offset of a virtual address, or UINT64_MAX. */
static uint64_t image_offset(const struct image *image, uint64_t addr)
{
	for (size_t i = 0; i < image->nr_phdrs; i++) {
		const Elf64_Phdr *ph = &image->phdrs[i];

		if (ph->p_type == PT_LOAD && addr >= ph->p_vaddr &&
		    addr - ph->p_vaddr < ph->p_filesz)
			return ph->p_offset + (addr - ph->p_vaddr);
	}
	return UINT64_MAX;
}

/* The first library in DT_NEEDED that is a sanitizer's, e.g. "libasan.so.8". */
static const char *image_sanitizer(const struct image *image)
{
	const Elf64_Phdr *ph = image_segment(image, PT_DYNAMIC);
	uint64_t strings = UINT64_MAX;
	const Elf64_Dyn *dyn;
	size_t n;

	if (!ph || ph->p_offset % 8 || !image_has(image, ph->p_offset, ph->p_filesz))
		return NULL;
	dyn = (const Elf64_Dyn *)(image->bytes + ph->p_offset);
	n = ph->p_filesz / sizeof(*dyn);
	for (size_t i = 0; i < n && dyn[i].d_tag != DT_NULL; i++)
		if (dyn[i].d_tag == DT_STRTAB)
			strings = image_offset(image, dyn[i].d_un.d_ptr);
	if (strings >= image->size)
		return NULL;
	for (size_t i = 0; i < n && dyn[i].d_tag != DT_NULL; i++) {
		uint64_t at = strings + dyn[i].d_un.d_val;
		const char *name;

		if (dyn[i].d_tag != DT_NEEDED || !image_has(image, at, 1))
			continue;
		name = (const char *)image->bytes + at;
		if (memchr(name, 0, image->size - at) &&
		    (!strncmp(name, "libasan.so", 10) || !strncmp(name, "libtsan.so", 10)))
			return name;
	}
	return NULL;
}

char *program_sanitizer(const char *path)
{
	const char *name = NULL;
	char *copy = NULL;
	struct image image;

	if (!image_open(&image, path))
		return NULL;
	name = image_sanitizer(&image);
	if (name)
		copy = strdup(name);
	image_close(&image);
	return copy;
}

static bool program_is_dynamic(const char *path)
{
	struct image image;
	bool dynamic = true; /* scripts, and what we cannot read */

	if (image_open(&image, path)) {
		dynamic = image_segment(&image, PT_INTERP) != NULL;
		image_close(&image);
	}
	return dynamic;
}

static int try_path(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno == EACCES ? -EACCES : -ENOENT;
	if (!S_ISREG(st.st_mode) || access(path, X_OK))
		return -EACCES;
	return 0;
}

/* As execvp(): a program that may not be executed is only told of when no other is found. */
static int search_path(const char *name, char **out)
{
	const char *dirs = getenv("PATH") ?: "/usr/local/bin:/usr/bin:/bin";
	int ret = -ENOENT;

	if (!*name)
		return -ENOENT;
	while (dirs) {
		size_t len = strcspn(dirs, ":");
		char *path;
		int err;

		if (asprintf(&path, "%.*s/%s", len ? (int)len : 1, len ? dirs : ".", name) < 0)
			return -ENOMEM;
		err = try_path(path);
		if (!err) {
			*out = path;
			return 0;
		}
		free(path);
		if (err == -EACCES)
			ret = err;
		dirs = dirs[len] ? dirs + len + 1 : NULL;
	}
	return ret;
}

int program_find(const char *name, struct program *out)
{
	char *path;
	int ret;

	if (!strchr(name, '/')) {
		ret = search_path(name, &path);
		if (ret)
			return ret;
	} else {
		ret = try_path(name);
		if (ret)
			return ret;
		path = strdup(name);
		if (!path)
			return -ENOMEM;
	}
	out->path = path;
	out->dynamic = program_is_dynamic(path);
	out->sanitizer = program_sanitizer(path);
	return 0;
}

void program_release(struct program *program)
{
	free(program->path);
	free(program->sanitizer);
}
