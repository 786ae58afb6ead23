// SPDX-License-Identifier: GPL-2.0
/* Hold pages that the code of a module allocated, so that page_owner has frames like "spo_hold_pages+0x2c/0x80 [spo_hold]". */
#include <linux/gfp.h>
#include <linux/module.h>

#define PAGES 64
#define LARGE 8
#define ORDER 2

static struct page *pages[PAGES], *large[LARGE];

static noinline int spo_hold_pages(struct page **into, int count, unsigned int order)
{
	for (int i = 0; i < count; i++) {
		into[i] = alloc_pages(GFP_KERNEL, order);
		if (!into[i])
			return -ENOMEM;
	}
	return 0;
}

static void spo_hold_exit(void)
{
	for (int i = 0; i < PAGES; i++)
		if (pages[i])
			__free_pages(pages[i], 0);
	for (int i = 0; i < LARGE; i++)
		if (large[i])
			__free_pages(large[i], ORDER);
}

static int __init spo_hold_init(void)
{
	if (spo_hold_pages(pages, PAGES, 0) || spo_hold_pages(large, LARGE, ORDER)) {
		spo_hold_exit();
		return -ENOMEM;
	}
	return 0;
}

module_init(spo_hold_init);
module_exit(spo_hold_exit);
MODULE_DESCRIPTION("Pages with a module in their allocation stack");
MODULE_LICENSE("GPL");
