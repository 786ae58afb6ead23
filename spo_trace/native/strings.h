/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SPO_STRINGS_H
#define SPO_STRINGS_H

#include "scan.h"
#include "text.h"

/*
 * Return the number of a string, which is added if it is new; -1 if out of memory. Equal strings of
 * different kinds have different numbers.
 */
int64_t strings_number(struct spo_strings *strings, enum spo_kind kind, place start, place end);

int64_t strings_newlines(const struct spo_strings *strings, uint32_t number);

#endif
