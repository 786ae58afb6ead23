# SPDX-License-Identifier: LGPL-2.1-or-later
# Totals by comm over the lines of page_owner or swap_page_owner, as in the RFC's cover letter.
# Prints: base pages, records, records marked `(swapped)`, comm; tab-separated. Wrong for comms that contain a newline
# or `), ts N ns`; framed.py handles these.

/^Page allocated via / {
	pages = ($4 == "order") ? 2 ^ ($5 + 0) : 1
	comm = $0
	sub(/^.*tgid [0-9]+ \(/, "", comm)
	sub(/\), ts [0-9]+ ns.*$/, "", comm)
	sum[comm] += pages
	records[comm]++
	swapped[comm] += / ns \(swapped\)$/
}

END {
	for (comm in sum)
		printf "%.0f\t%d\t%d\t%s\n", sum[comm], records[comm], swapped[comm], comm
}
