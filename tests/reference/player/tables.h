/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the tables of ioctls are written: the fields of a structure first, then
 * the ioctls that take it.
 */
#ifndef TABLES_H
#define TABLES_H

#include "player.h"

#define WIDTH(type, member) sizeof(((type *)0)->member)
#define FIELD(type, member, kind)                                          \
	{                                                                  \
#member, offsetof(type, member), WIDTH(type, member), kind \
	}
#define FIELD_AS(name, type, member, kind)                              \
	{                                                               \
		name, offsetof(type, member), WIDTH(type, member), kind \
	}
#define IOCTL(number, type, fields)                                                       \
	{                                                                                 \
#number, number, sizeof(type), sizeof(fields) / sizeof(*(fields)), fields \
	}
#define IOCTL_AS(name, number, type, fields)                                           \
	{                                                                              \
		name, number, sizeof(type), sizeof(fields) / sizeof(*(fields)), fields \
	}
#define IOCTL_SIMPLE(number)                \
	{                                   \
#number, number, 0, 0, NULL \
	}

#endif
