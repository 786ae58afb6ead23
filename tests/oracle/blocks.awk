# SPDX-License-Identifier: LGPL-2.1-or-later
# Pages of page_owner by pageblock, of which the number is in each PFN line. Set `order` to the order of a pageblock.
# Prints: block, pages, pages that are neither on an LRU list nor allocated with __GFP_MOVABLE, and pages whose migrate
# type differs from that of the block; tab-separated. Wrong for comms that contain a newline.

/^Page allocated via order / {
	pages = 2 ^ ($5 + 0)
	# __GFP_MOVABLE is bit 3: that of the last digit.
	movable = $7 ~ /^0x[0-9a-f]*[89a-f]\(/
}

/^PFN / {
	block = $6
	stays = !movable && $0 !~ /[(|]lru[|)]/
	other = $4 != $8
	parts = pages > 2 ^ order ? pages / 2 ^ order : 1
	for (part = 0; part < parts; part++) {
		all[block + part] += pages / parts
		unmovable[block + part] += stays * pages / parts
		mixed[block + part] += other * pages / parts
	}
}

END {
	for (block in all)
		printf "%d\t%d\t%d\t%d\n", block, all[block], unmovable[block], mixed[block]
}
