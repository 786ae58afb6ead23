// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Distinct byte strings in an open-addressed hash table of their numbers. Strings are compared in
 * full, so that a collision never merges two. The hash is seeded, so that users cannot choose
 * process names that collide.
 */
#include <stdlib.h>

#include "strings.h"

/* A test compiles this file with a mask of few bits to cause collisions. */
#ifndef SPO_HASH_MASK
#define SPO_HASH_MASK UINT64_MAX
#endif

#define FREE_SLOT UINT32_MAX
#define FIRST_STRINGS 4096
#define FIRST_BYTES (1 << 20)

/* Small, so that those of a machine stay in a processor's cache. */
struct string {
	uint64_t hash;
	size_t start;
	uint32_t length; /* at most SPO_LONGEST_RECORD */
	uint32_t newlines : 24;
	uint32_t kind : 8;
};

struct spo_strings {
	uint64_t seed;
	uint8_t *bytes;
	size_t bytes_used;
	size_t bytes_room;
	struct string *items;
	uint32_t *slots;
	size_t count;
	size_t room; /* of items, a power of two; each has two slots */
	uint32_t last[SPO_KINDS];
};

static inline uint64_t mix(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	a = (a ^ b) * 0x9e3779b97f4a7c15u;
	return a ^ (a >> 29) ^ (b << 17 | b >> 47);
#endif
}

/* Multiply and fold 16 bytes at a time, like wyhash. The last word may overlap the one before. */
static uint64_t hash(uint64_t seed, place p, size_t length)
{
	uint64_t one = seed ^ 0xa0761d6478bd642fu, two = seed ^ length, last = 0;
	place end = p + length;

	for (; end - p >= 32; p += 32) {
		one = mix(word(p) ^ 0xe7037ed1a0b428dbu, word(p + 8) ^ one);
		two = mix(word(p + 16) ^ 0x8ebc6af09c88c6e3u, word(p + 24) ^ two);
	}
	for (; end - p >= 8; p += 8)
		one = mix(word(p) ^ 0xe7037ed1a0b428dbu, one);
	if (length >= 8)
		last = word(end - 8);
	else
		memcpy(&last, p, length);
	two = mix(last ^ 0x8ebc6af09c88c6e3u, two);
	return mix(one ^ 0x589965cc75374cc3u, two) & SPO_HASH_MASK;
}

struct spo_strings *spo_strings_new(uint64_t seed)
{
	struct spo_strings *strings = calloc(1, sizeof(*strings));

	if (strings)
		strings->seed = seed;
	return strings;
}

void spo_strings_free(struct spo_strings *strings)
{
	if (!strings)
		return;
	free(strings->bytes);
	free(strings->items);
	free(strings->slots);
	free(strings);
}

int64_t spo_strings_count(const struct spo_strings *strings)
{
	return (int64_t)strings->count;
}

const uint8_t *spo_string(const struct spo_strings *strings, int64_t number, int64_t *length,
			  int32_t *kind)
{
	const struct string *item = &strings->items[number];

	*length = (int64_t)item->length;
	*kind = item->kind;
	return strings->bytes + item->start;
}

int64_t strings_newlines(const struct spo_strings *strings, uint32_t number)
{
	return strings->items[number].newlines;
}

static bool grow_bytes(struct spo_strings *strings, size_t length)
{
	size_t room = strings->bytes_room ? strings->bytes_room : FIRST_BYTES;
	uint8_t *bytes;

	while (room - strings->bytes_used < length)
		room *= 2;
	bytes = realloc(strings->bytes, room);
	if (!bytes)
		return false;
	strings->bytes = bytes;
	strings->bytes_room = room;
	return true;
}

/* Double the room, and rebuild the slots. */
static bool grow_items(struct spo_strings *strings)
{
	size_t room = strings->room ? 2 * strings->room : FIRST_STRINGS;
	size_t mask = 2 * room - 1;
	struct string *items = realloc(strings->items, room * sizeof(*items));
	uint32_t *slots;

	if (!items)
		return false;
	strings->items = items;
	slots = malloc(2 * room * sizeof(*slots));
	if (!slots || room >= FREE_SLOT) {
		free(slots);
		return false;
	}
	memset(slots, 0xff, 2 * room * sizeof(*slots));
	for (size_t number = 0; number < strings->count; number++) {
		size_t slot = items[number].hash & mask;

		while (slots[slot] != FREE_SLOT)
			slot = (slot + 1) & mask;
		slots[slot] = (uint32_t)number;
	}
	free(strings->slots);
	strings->slots = slots;
	strings->room = room;
	return true;
}

static int64_t add(struct spo_strings *strings, enum spo_kind kind, place start, size_t length,
		   uint64_t hashed)
{
	size_t slot, mask;

	if (strings->count == strings->room && !grow_items(strings))
		return -1;
	if (strings->bytes_room - strings->bytes_used < length && !grow_bytes(strings, length))
		return -1;
	if (length)
		memcpy(strings->bytes + strings->bytes_used, start, length);
	strings->items[strings->count] = (struct string){
		.hash = hashed,
		.start = strings->bytes_used,
		.length = (uint32_t)length,
		.newlines = (uint32_t)count_newlines(start, start + length),
		.kind = kind,
	};
	strings->bytes_used += length;
	mask = 2 * strings->room - 1;
	slot = hashed & mask;
	while (strings->slots[slot] != FREE_SLOT)
		slot = (slot + 1) & mask;
	strings->slots[slot] = (uint32_t)strings->count;
	return (int64_t)strings->count++;
}

static inline bool is_string(const struct spo_strings *strings, uint32_t number,
			     enum spo_kind kind, place start, size_t length)
{
	const struct string *item = &strings->items[number];
	place other = strings->bytes + item->start;

	if (item->length != length || item->kind != kind)
		return false;
	/* Stacks begin alike: most that differ do so in their last bytes. */
	if (length >= sizeof(uint64_t) &&
	    word(other + length - sizeof(uint64_t)) != word(start + length - sizeof(uint64_t)))
		return false;
	return memcmp(other, start, length) == 0;
}

static int64_t find_or_add(struct spo_strings *strings, enum spo_kind kind, place start,
			   size_t length)
{
	uint64_t hashed = hash(strings->seed + kind, start, length);
	size_t mask = 2 * strings->room - 1, slot = hashed & mask;

	if (strings->room) {
		for (; strings->slots[slot] != FREE_SLOT; slot = (slot + 1) & mask) {
			uint32_t number = strings->slots[slot];

			if (strings->items[number].hash == hashed &&
			    is_string(strings, number, kind, start, length))
				return number;
		}
	}
	return add(strings, kind, start, length, hashed);
}

int64_t strings_number(struct spo_strings *strings, enum spo_kind kind, place start, place end)
{
	size_t length = end - start;
	uint32_t last = strings->last[kind];
	int64_t number;

	/* Neighbouring pages were mostly allocated by the same process at the same call site. */
	if (last < strings->count && is_string(strings, last, kind, start, length))
		return last;
	number = find_or_add(strings, kind, start, length);
	if (number >= 0)
		strings->last[kind] = (uint32_t)number;
	return number;
}
