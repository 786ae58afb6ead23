// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Scan the texts of a file, each preceded by its length (eight bytes). Each text is in a buffer
 * that ends where scan.h permits reading, so that the compiler's sanitizers stop at the first byte
 * beyond. Print the numbers of rows, of records left and of strings. The last scan of each text
 * reads it from the file in small windows.
 */
#define _POSIX_C_SOURCE 200809L /* fileno */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

#define WINDOW 100

typedef int (*scan_function)(struct spo_strings *, struct spo_block *, struct spo_scan *);

static void scan_text(struct spo_strings *strings, struct spo_block block, size_t row_size,
		      scan_function go)
{
	int64_t room = 1;
	void *rows = malloc(room * row_size);
	struct spo_left *left = malloc(room * sizeof(*left));
	struct spo_scan scan = { .rows = rows, .left = left, .rows_room = room, .left_room = room };

	while (go(strings, &block, &scan) == SPO_NO_ROOM) {
		room *= 2;
		rows = realloc(rows, room * row_size);
		left = realloc(left, room * sizeof(*left));
		scan.rows = rows;
		scan.left = left;
		scan.rows_room = room;
		scan.left_room = room;
	}
	printf("%ld %ld %ld\n", (long)scan.n_rows, (long)scan.n_left,
	       (long)spo_strings_count(strings));
	free(rows);
	free(left);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	struct spo_strings *pages = spo_strings_new(1), *swap = spo_strings_new(2);
	int64_t size;

	if (!file)
		return 2;
	while (fread(&size, sizeof(size), 1, file) == 1) {
		uint8_t *text = calloc(1, size + SPO_PADDING);
		int64_t halves[2] = { size / 2, size };
		struct spo_block block;

		if (size && fread(text, size, 1, file) != 1)
			return 2;
		block = (struct spo_block){ .text = text, .size = size, .fd = -1 };
		scan_text(pages, block, sizeof(struct spo_page_row), spo_scan_pages);
		scan_text(swap, block, sizeof(struct spo_swap_row), spo_scan_swap);
		block.ends = halves;
		block.n_ends = 2;
		scan_text(pages, block, sizeof(struct spo_page_row), spo_scan_pages);
		block = (struct spo_block){ .text = text, .size = size, .window = WINDOW };
		block.fd = fileno(file);
		block.offset = ftell(file) - size;
		scan_text(pages, block, sizeof(struct spo_page_row), spo_scan_pages);
		free(text);
	}
	spo_strings_free(pages);
	spo_strings_free(swap);
	fclose(file);
	return 0;
}
