# SPDX-License-Identifier: LGPL-2.1-or-later
# Base pages by stack over page_owner or swap_page_owner. A stack consists of the lines with a leading space after the
# record's last PFN or SWP line. A comm with a newline can contain such lines, but only before the PFN or SWP line.
# Prints: base pages, frames joined by `;`; tab-separated.

function flush() {
	if (pages)
		sum[stack] += pages
	pages = 0
	stack = ""
}

/^Page allocated via (order|pid) / {
	flush()
	pages = ($4 == "order") ? 2 ^ ($5 + 0) : 1
}

/^(PFN|SWP entry) / { stack = "" }

/^ / { stack = stack (stack == "" ? "" : ";") substr($0, 2) }

END {
	flush()
	for (stack in sum)
		printf "%.0f\t%s\n", sum[stack], stack
}
