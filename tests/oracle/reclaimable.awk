# SPDX-License-Identifier: LGPL-2.1-or-later
# Base pages of page_owner by what reclaims them, from the names of the page flags; of swap-backed pages, a function of
# mm/shmem.c in the stack tells tmpfs from anonymous memory, and of others do_anonymous_page() tells a lazily freed one.
# Prints: base pages, kind; tab-separated.

/^Page allocated via order / {
	pages = 2 ^ ($5 + 0)
}

/^PFN / {
	flags = $0
	sub(/^.*Flags 0x[0-9a-f]+\(/, "|", flags)
	sub(/\)$/, "|", flags)
	shmem = anonymous = 0
}

/^ shmem_/ {
	shmem = 1
}

/^ (do_anonymous_page|do_huge_pmd_anonymous_page)\+/ {
	anonymous = 1
}

/^$/ {
	if (flags ~ /\|(unevictable|mlocked)\|/)
		sum["unevictable"] += pages
	else if (flags ~ /\|swapbacked\|/)
		sum[shmem ? "tmpfs" : "anonymous"] += pages
	else if (flags ~ /\|lru\|/ && anonymous)
		sum["lazily freed"] += pages
	else if (flags ~ /\|lru\|/)
		sum[flags ~ /\|(dirty|writeback)\|/ ? "dirty page cache" : "clean page cache"] += pages
	flags = ""
}

END {
	for (kind in sum)
		printf "%.0f\t%s\n", sum[kind], kind
}
