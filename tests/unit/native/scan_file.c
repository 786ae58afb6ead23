// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Scan the texts of a file, each preceded by its length (eight bytes). Each text is in a buffer
 * that ends where scan.h permits reading, so that the compiler's sanitizers stop at the first byte
 * beyond. Print the numbers of rows, of records left and of strings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

typedef int (*scan_function)(struct spo_strings *, const struct spo_block *, struct spo_scan *);

static void scan_text(struct spo_strings *strings, const uint8_t *text, int64_t size,
		      size_t row_size, scan_function go, const int64_t *ends, int64_t n_ends)
{
	int64_t room = 1;
	void *rows = malloc(room * row_size);
	struct spo_left *left = malloc(room * sizeof(*left));
	struct spo_block block = { text, size, ends, n_ends };
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

		if (size && fread(text, size, 1, file) != 1)
			return 2;
		scan_text(pages, text, size, sizeof(struct spo_page_row), spo_scan_pages, NULL, 0);
		scan_text(swap, text, size, sizeof(struct spo_swap_row), spo_scan_swap, NULL, 0);
		scan_text(pages, text, size, sizeof(struct spo_page_row), spo_scan_pages, halves,
			  2);
		free(text);
	}
	spo_strings_free(pages);
	spo_strings_free(swap);
	fclose(file);
	return 0;
}
