/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The session's files, as driver binding changes them: each change is one
 * rename(2), so a reader sees the old state or the new. Names are relative to
 * the session. What is hidden waits in the session's spare/ under a short name.
 */
#ifndef RF_MACHINE_DRIVER_FILES_H
#define RF_MACHINE_DRIVER_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define NAME_SIZE 256u

/* An open session directory; with @lock, this process's turn. */
struct session_files {
	int root;
	int lock;
};

/* 0 or a negative errno; waits for its turn where @turn. */
int files_open(struct session_files *files, const char *session, bool turn);
void files_close(struct session_files *files);

/* The last part of where a link leads; false where there is no link. */
bool link_name(const struct session_files *files, const char *path, char name[NAME_SIZE]);
/* Make a link, or replace it. */
int link_set(const struct session_files *files, const char *target, const char *path);
bool file_exists(const struct session_files *files, const char *path);
/* What fits of a file, always ended by a zero byte: bytes, or a negative errno. */
ssize_t file_read(const struct session_files *files, const char *path, char *buf, size_t size);
/* Replace the contents of a file that is there. */
int file_replace(const struct session_files *files, const char *path, const char *text);
int file_remove(const struct session_files *files, const char *path);
/* To spare/KEY and back. 0, also when it is where it shall be; or a negative errno. */
int file_hide(const struct session_files *files, const char *path, const char *key);
int file_show(const struct session_files *files, const char *path, const char *key);

/*
 * Call @fn for every name in a directory until one returns other than 0: that, or
 * a negative errno. The names are read before the first call.
 */
int files_each(const struct session_files *files, const char *path,
	       int (*fn)(const struct session_files *files, const char *name, void *arg),
	       void *arg);

/* Where a device's directory is, "sys/devices/pci0000:00/...": false when there is none. */
bool device_directory(const struct session_files *files, const char *address, char path[PATH_MAX]);
/* A file of a device that holds a number in hexadecimal; 0 when it does not. */
unsigned device_number(const struct session_files *files, const char *address, const char *file);

/* snprintf() into a path of this size; false when it does not fit. */
bool path_print(char path[PATH_MAX], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
