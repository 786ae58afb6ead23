# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The meaning of stacks printed by real kernels, at least one for each rule.

The 7.2 stacks are from page_owner captures. The others are from public kernel reports, without the frames
that these reports mark as inlined and, unless they are of page_owner, without those inside the page allocator.
"""

import re
from fnmatch import fnmatchcase

import pytest

from spo_trace.stacks.frames import function_name, module_name
from spo_trace.stacks.meaning import call_site, deciding_rule, meaning
from spo_trace.stacks.rules import ALLOCATORS, CATEGORIES, RULES, Rule, Scope

# Each: "# kernel, description = category, caller, module", then the frames, innermost first.
STACKS = """
# 7.2 early pages = early boot, init_page_owner, vmlinux
register_early_stack+0x28/0x43 init_page_owner+0x33/0x24d mm_core_init+0x17a/0x184 start_kernel+0x56e/0x75b

# 4.2 early pages = early boot, page_ext_init, vmlinux
page_ext_init+0xe5/0xea start_kernel+0x392/0x459 x86_64_start_reservations+0x2a/0x2c
x86_64_start_kernel+0x137/0x146 0xffffffffffffffff

# 7.2 page_owner's own = other, owner lost, vmlinux
register_dummy_stack+0x28/0x43 init_page_owner+0x29/0x24d mm_core_init+0x17a/0x184 start_kernel+0x56e/0x75b

# 7.2 swap owner's object, allocated in reclaim = slab, __page_owner_prepare_to_swap, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_slab_page+0x1f/0x5e new_slab+0x8d/0x254 ___slab_alloc+0x89/0x2fa
slab_alloc_node+0x4c/0xa0 kmem_cache_alloc_noprof+0x41/0x68 __page_owner_prepare_to_swap+0xf1/0x204
swap_writeout+0x39/0x23f shmem_writeout+0x310/0x386 shrink_folio_list+0x78c/0xb72 shrink_lruvec+0x63f/0x9ba
shrink_node+0x2f7/0x5bd balance_pgdat+0x2df/0x566

# 7.2 large kmalloc = slab, tcp_metrics_init, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 ___kmalloc_large_node+0x46/0xa3 __kmalloc_large_node_noprof+0x1b/0x5a
__kvmalloc_node_noprof+0x8f/0x1a2 tcp_metrics_init+0x64/0xab tcp_init+0x2fa/0x316 inet_init+0x1d3/0x28f
do_one_initcall+0x8f/0x173 kernel_init_freeable+0x189/0x1ef kernel_init+0x1a/0x119 ret_from_fork+0x25/0x171
ret_from_fork_asm+0x11/0x20

# 7.2 bpf allocator's slab = slab, alloc_bulk, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_slab_page+0x2a/0x5e new_slab+0x8d/0x254 ___slab_alloc+0x89/0x2fa slab_alloc_node+0x4c/0xa0
__kmalloc_node_noprof+0x8e/0xbb alloc_bulk+0x135/0x159 bpf_mem_alloc_init+0x1c5/0x21f
bpf_global_ma_init+0x19/0x23 do_one_initcall+0x8f/0x173 kernel_init_freeable+0x189/0x1ef
kernel_init+0x1a/0x119 ret_from_fork+0x25/0x171 ret_from_fork_asm+0x11/0x20

# 6.2 SLUB, partly inlined = slab, tomoyo_realpath_from_path, vmlinux
get_page_from_freelist+0x119c/0x2ce0 __alloc_pages+0x1cb/0x5b0 alloc_pages+0x1aa/0x270
allocate_slab+0x25f/0x350 ___slab_alloc+0xa91/0x1400 __slab_alloc.constprop.0+0x56/0xa0
__kmem_cache_alloc_node+0x1a4/0x430 __kmalloc+0x4a/0xd0 tomoyo_realpath_from_path+0xc3/0x600
tomoyo_check_open_permission+0x297/0x3a0 tomoyo_file_open+0xa1/0xc0 security_file_open+0x49/0xb0

# 4.2 SLAB allocator = slab, ext4_alloc_inode, ext4
__alloc_pages_nodemask+0x1de/0xb00 cache_alloc_refill+0x33b/0x5b0 kmem_cache_alloc+0x1a5/0x310
ext4_alloc_inode+0x1a/0x210 [ext4] alloc_inode+0x18/0x90 iget_locked+0xd8/0x190 ext4_iget+0x3c/0xa70 [ext4]
ext4_iget_normal+0x2b/0x40 [ext4]

# 7.2 page table of a stack in vmalloc = page table, __pte_alloc_kernel, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b __pte_alloc_kernel+0x1a/0xb9
__vmap_pages_range_noflush+0x1cd/0x376 __vmalloc_node_range_noprof+0x50d/0x5cc
__vmalloc_node_noprof+0x54/0x59 copy_process+0x496/0x1758 kernel_clone+0xcd/0x278 __do_sys_clone+0x54/0x5e
do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 7.2 pmd = page table, pmd_alloc_one_noprof, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b pmd_alloc_one_noprof.constprop.0+0x26/0x52
__pmd_alloc+0x1a/0x94 pmd_alloc+0x23/0x2c __handle_mm_fault+0x1bc/0xbb5 handle_mm_fault+0x103/0x1a7
do_user_addr_fault+0x282/0x46a exc_page_fault+0xdd/0xf1 asm_exc_page_fault+0x26/0x30

# 5.x fork's page table = page table, pte_alloc_one, vmlinux
__alloc_pages_nodemask+0x1e1/0x450 alloc_pages_current+0xa6/0x120 pte_alloc_one+0x17/0xd0
__pte_alloc+0x3a/0x1f0 copy_p4d_range+0xc36/0x1990 copy_page_range+0x21d/0x360 dup_mmap+0x5f5/0x7a0
dup_mm+0xa2/0x240 copy_process+0x1b3f/0x3460 _do_fork+0xaa/0xa20 __x64_sys_clone+0x13b/0x170

# 5.15 guest page table = page table, kvm_mmu_topup_memory_cache, kvm
__alloc_pages+0x1e9/0x220 __get_free_pages+0xd/0x40 kvm_mmu_topup_memory_cache+0x56/0x80 [kvm]
mmu_topup_memory_caches+0x39/0x70 [kvm] direct_page_fault+0x3d9/0xbb0 [kvm] kvm_mmu_page_fault+0x7a/0x730
[kvm]

# 7.2 stack, its allocator inlined = kernel stack, copy_process, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b __vmalloc_node_range_noprof+0x2be/0x5cc
__vmalloc_node_noprof+0x54/0x59 copy_process+0x496/0x1758 kernel_clone+0xcd/0x278 kernel_thread+0x60/0x68
kthreadd+0xec/0x138 ret_from_fork+0x25/0x171 ret_from_fork_asm+0x11/0x20

# 6.x stack = kernel stack, alloc_thread_stack_node, vmlinux
get_page_from_freelist+0x742/0x7c0 __alloc_pages+0x259/0x560 __vmalloc_node_range+0x9b2/0x1400
alloc_thread_stack_node+0x307/0x500 dup_task_struct+0x8b/0x490 copy_process+0x637/0x4000
kernel_clone+0x21b/0x620 __x64_sys_clone+0x228/0x290 do_syscall_64+0x3d/0xb0

# 7.2 zram's table = vmalloc, disksize_store, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b __vmalloc_node_range_noprof+0x2be/0x5cc
__vmalloc_node_noprof+0x54/0x59 disksize_store+0x90/0x161 kernfs_fop_write_iter+0x12e/0x172
vfs_write+0x10c/0x17a ksys_write+0x71/0x9e do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 7.2 per-cpu pages = per-cpu, pcpu_populate_chunk, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
__alloc_pages_noprof+0xe/0x1b pcpu_populate_chunk+0xa8/0x2e2 pcpu_balance_workfn+0x27a/0x3b0
process_scheduled_works+0x199/0x2a3 worker_thread+0x137/0x1c6 kthread+0xfc/0x104 ret_from_fork+0x25/0x171

# 6.x arm64 per-cpu pages of an iommu = per-cpu, pcpu_alloc_pages, vmlinux
__alloc_frozen_pages_noprof+0x17c/0x4f0 __alloc_pages_noprof+0x1c/0xb0 pcpu_alloc_pages.isra.0+0x12c/0x448
pcpu_populate_chunk+0x4c/0x98 pcpu_alloc_noprof+0x3b0/0xeb8 iommu_dma_init_fq+0x148/0x690
iommu_dma_init_domain+0x488/0x6a0 iommu_setup_dma_ops+0x138/0x210 bus_iommu_probe+0x1b0/0x3e8
iommu_device_register+0x15c/0x240 arm_smmu_device_probe+0xbe8/0x1260 platform_probe+0xcc/0x198
really_probe+0x188/0x800

# 6.x KASAN's stack store = other, stack_depot_save_flags, vmlinux
__alloc_frozen_pages_noprof+0x319/0x370 alloc_pages_mpol+0x232/0x4a0 alloc_pages_noprof+0xa9/0x190
stack_depot_save_flags+0x777/0x860 kasan_save_track+0x4f/0x80 __kasan_kmalloc+0x93/0xb0
__kmalloc_node_track_caller_noprof+0x271/0x4e0

# 7.2 swap table = other, swap_cluster_alloc_table, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b folio_alloc_noprof+0x14/0x27
swap_cluster_alloc_table+0x21/0x7f isolate_lock_cluster+0xa2/0x12c alloc_swap_scan_list+0x2d/0x66
folio_alloc_swap+0x2be/0x4b2 shmem_writeout+0x1bb/0x386 shrink_folio_list+0x78c/0xb72
shrink_lruvec+0x63f/0x9ba

# 7.2 zram holds a page of reclaim = block, zs_malloc, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
__alloc_pages_noprof+0xe/0x1b zs_malloc+0x1d6/0x3f4 zram_submit_bio+0x543/0x6f5 __submit_bio+0x73/0x82
submit_bio_noacct_nocheck+0x153/0x20a bio_await+0x48/0x55 submit_bio_wait+0x16/0x20
swap_writepage_bdev_sync.isra.0+0x86/0x95 swap_writeout+0x1ad/0x23f shrink_folio_list+0x79c/0xb72

# 4.2 moved by compaction = other, isolate_freepages_block, vmlinux
split_free_page+0x38/0x50 isolate_freepages_block+0x205/0x4b0 compaction_alloc+0x1a1/0x280
migrate_pages+0x241/0x9a0 compact_zone+0x55e/0xea0 compact_zone_order+0x58/0x70
try_to_compact_pages+0x127/0x5b0 __alloc_pages_direct_compact+0x49/0xf0

# 6.18 huge page for a memfd = other, only_alloc_fresh_hugetlb_folio, vmlinux
__alloc_frozen_pages_noprof+0x689/0xf00 only_alloc_fresh_hugetlb_folio+0x2b0/0x1280
alloc_surplus_hugetlb_folio+0x178/0x5c0 hugetlb_acct_memory+0x759/0x2420 hugetlb_reserve_pages+0x10d1/0x26f0
memfd_alloc_folio+0x20a/0x7b0 memfd_pin_folios+0x10b3/0x16a0 udmabuf_create+0x1256/0x1ed0

# 7.2 tmpfs write = tmpfs/shmem, shmem_alloc_folio, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 folio_alloc_mpol_noprof+0x14/0x2e shmem_alloc_folio+0x41/0x5a
shmem_alloc_and_add_folio+0x1f6/0x3bc shmem_get_folio_gfp+0x1b8/0x3f5 shmem_get_folio+0x1a/0x1d
shmem_write_begin+0x67/0x78 generic_perform_write+0xac/0x1fa shmem_file_write_iter+0x65/0x7d
vfs_write+0x10c/0x17a do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 7.2 tmpfs from swap = tmpfs/shmem, swap_cache_alloc_folio, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 folio_alloc_mpol_noprof+0x14/0x2e swap_cache_alloc_folio+0x13a/0x383
swap_cache_read_folio+0x4e/0x9c swap_cluster_readahead+0x17b/0x1d5 shmem_swapin_folio+0x214/0x850
shmem_get_folio_gfp+0xd4/0x3f5 shmem_get_folio+0x1a/0x1d shmem_file_read_iter+0x6a/0x1e0
vfs_read+0x108/0x15d ksys_read+0x71/0x9e do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 5.17 tmpfs write = tmpfs/shmem, shmem_alloc_page, vmlinux
prep_new_page+0xac/0xe0 get_page_from_freelist+0x1327/0x14d0 __alloc_pages+0x191/0x340
alloc_pages_vma+0x84/0x250 shmem_alloc_page+0x3f/0x90 shmem_alloc_and_acct_page+0x76/0x1c0
shmem_getpage_gfp+0x281/0x940 shmem_write_begin+0x36/0xe0 generic_perform_write+0xed/0x1d0
__generic_file_write_iter+0xdc/0x1b0 generic_file_write_iter+0x5d/0xb0 new_sync_write+0x11f/0x1b0

# 4.2 shared memory fault = tmpfs/shmem, shmem_getpage_gfp, vmlinux
__alloc_pages_nodemask+0x1de/0xb00 shmem_getpage_gfp+0x381/0xa30 shmem_fault+0x62/0x1b0 __do_fault+0x38/0x80
handle_mm_fault+0x30c/0x1480 __do_page_fault+0x178/0x480 do_page_fault+0x2b/0x40 page_fault+0x28/0x30

# 7.2 file fault = page cache, ractl_alloc_folio, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b folio_alloc_noprof+0x14/0x27
ractl_alloc_folio+0x14/0x26 page_cache_ra_unbounded+0x152/0x1f6 do_page_cache_ra+0x5e/0x71
filemap_fault+0x462/0x6b5 __do_fault+0x27/0x75 __handle_mm_fault+0x944/0xbb5 handle_mm_fault+0x103/0x1a7
do_user_addr_fault+0x282/0x46a exc_page_fault+0xdd/0xf1 asm_exc_page_fault+0x26/0x30

# 4.6 readahead, addresses printed = page cache, __do_page_cache_readahead, vmlinux
[<ffffffff81164e9a>] __alloc_pages_nodemask+0x15a/0xa30 [<ffffffff811ab938>] alloc_pages_current+0x88/0x120
[<ffffffff8115bc46>] __page_cache_alloc+0xe6/0x120 [<ffffffff81168b9b>] __do_page_cache_readahead+0xdb/0x200
[<ffffffff81168df5>] ondemand_readahead+0x135/0x260 [<ffffffff8115d5f8>] generic_file_read_iter+0x378/0x590

# 4.2 file write = page cache, pagecache_get_page, ext4
__alloc_pages_nodemask+0x1de/0xb00 pagecache_get_page+0x9c/0x1f0 grab_cache_page_write_begin+0x27/0x40
ext4_write_begin+0xbd/0x580 [ext4] generic_perform_write+0xaa/0x1a0 __generic_file_write_iter+0x193/0x1f0
ext4_file_write_iter+0xf5/0x490 [ext4] __vfs_write+0xa5/0xe0

# 6.10 XFS buffer = page cache, xfs_buf_alloc_pages, vmlinux
post_alloc_hook+0x1f3/0x230 get_page_from_freelist+0x2ce2/0x2d90 __alloc_pages_noprof+0x256/0x6c0
alloc_pages_bulk_noprof+0x729/0xd40 xfs_buf_alloc_pages+0x1a8/0x880 xfs_buf_find_insert+0x19a/0x1540
xfs_buf_get_map+0x149c/0x1ae0 xfs_buf_read_map+0x111/0xa60 xfs_trans_read_buf_map+0x260/0xad0

# 6.9 btrfs tree block = page cache, btrfs_alloc_page_array, vmlinux
__alloc_pages+0x9d6/0xe70 __alloc_pages_bulk+0x19e/0x21e0 btrfs_alloc_page_array+0x9e/0x460
alloc_extent_buffer+0xa68/0x4180 btrfs_find_create_tree_block+0x46/0x60 btrfs_alloc_tree_block+0x35c/0x17c0

# 6.2 bpf ring buffer = bpf, ringbuf_map_alloc, vmlinux
__alloc_pages+0x4aa/0x5b0 ringbuf_map_alloc+0x2a9/0x7d0 map_create+0x4d3/0x18d0 __sys_bpf+0x13b7/0x5000
__ia32_sys_bpf+0x78/0xe0 __do_fast_syscall_32+0x65/0xf0

# 7.2 TCP's hash table = network, inet_hashinfo2_init, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b get_free_pages_noprof+0x11/0x35
alloc_pages_exact_noprof+0x37/0x46 alloc_large_system_hash+0x1ac/0x261 inet_hashinfo2_init+0x8c/0x99
tcp_init+0x8b/0x316 inet_init+0x1d3/0x28f do_one_initcall+0x8f/0x173 kernel_init_freeable+0x189/0x1ef
kernel_init+0x1a/0x119 ret_from_fork+0x25/0x171 ret_from_fork_asm+0x11/0x20

# 5.4 receive ring = network, try_fill_recv, virtio_net
__alloc_pages_nodemask+0x2cd/0x320 alloc_pages_current+0x6a/0xe0 skb_page_frag_refill+0xd4/0x100
try_fill_recv+0x3ed/0x740 [virtio_net] virtnet_poll+0x31f/0x349 [virtio_net] net_rx_action+0x140/0x3c0

# 6.x page pool = network, wx_alloc_rx_buffers, libwx
alloc_pages_bulk_noprof+0x2e0/0x660 __page_pool_alloc_pages_slow+0xa9/0x400 page_pool_alloc_pages+0xa/0x20
wx_alloc_rx_buffers+0xd7/0x110 [libwx] wx_clean_rx_irq+0x262/0x430 [libwx] wx_poll+0x92/0x130 [libwx]

# 5.x page fragments = network, rtl8169_poll, vmlinux
__alloc_pages_nodemask+0xfc/0x220 page_frag_alloc+0x84/0x140 __napi_alloc_skb+0x83/0xe0
rtl8169_poll+0x1e5/0x670 net_rx_action+0x132/0x3a0 __do_softirq+0xce/0x298

# 6.12 receive ring from page fragments = network, ath11k_dp_rxbufs_replenish, ath11k
post_alloc_hook+0xb4/0xc0 get_page_from_freelist+0x3b0/0xfb0 __alloc_pages_noprof+0xc8/0xd14
__page_frag_alloc_align+0x1d8/0x21c __netdev_alloc_skb+0x100/0x170 ath11k_dp_rxbufs_replenish+0x110/0x3d0 [ath11k]
ath11k_dp_process_rx+0x2e4/0x690 [ath11k] net_rx_action+0x150/0x2e0 handle_softirqs+0x100/0x244

# 6.x page fragments of a socket = network, tcp_sendmsg_locked, vmlinux
__alloc_pages_nodemask+0x2cd/0x320 skb_page_frag_refill+0xd4/0x100 sk_page_frag_refill+0x1d/0x80
tcp_sendmsg_locked+0x3f6/0xe00 tcp_sendmsg+0x2d/0x50 entry_SYSCALL_64_after_hwframe+0x49/0xbe

# 6.x pages of a datagram = network, unix_dgram_sendmsg, vmlinux
__alloc_pages+0x1cb/0x5b0 alloc_skb_with_frags+0xd1/0x1d0 sock_alloc_send_pskb+0x1c5/0x260
unix_dgram_sendmsg+0x1a3/0x9a0 sock_sendmsg+0x5c/0x70

# 6.x slab page of an skb = slab, tcp_stream_alloc_skb, vmlinux
__alloc_pages+0x1cb/0x5b0 alloc_slab_page+0x2a/0x5e new_slab+0x8d/0x254 ___slab_alloc+0x89/0x2fa
kmem_cache_alloc_node+0x1a4/0x430 __alloc_skb+0x16e/0x200 tcp_stream_alloc_skb+0x2f/0x120
tcp_sendmsg_locked+0x3f6/0xe00

# 7.2 request queue of a probed disk = block, blk_mq_alloc_map_and_rqs, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
__alloc_pages_noprof+0xe/0x1b blk_mq_alloc_map_and_rqs+0x15b/0x27d __blk_mq_alloc_map_and_rqs+0x31/0x46
blk_mq_alloc_tag_set+0x1b2/0x2c2 virtblk_probe+0x194/0x806 virtio_dev_probe+0x1f9/0x251
really_probe+0xf2/0x227 driver_probe_device+0x1f/0x73

# 4.x bounce pages of a request = block, bio_copy_kern, sr_mod
__alloc_pages_nodemask+0x3e4/0x460 alloc_pages_current+0x97/0x1b0 bio_copy_kern+0xc9/0x180
blk_rq_map_kern+0x70/0x140 __scsi_execute.isra.22+0x13a/0x1e0 scsi_execute_req_flags+0x94/0x100
sr_check_events+0xbf/0x2b0 [sr_mod] cdrom_check_events+0x18/0x30 [cdrom]

# 7.2 virtio ring = driver, vring_alloc_queue, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b get_free_pages_noprof+0x11/0x35
alloc_pages_exact_noprof+0x37/0x46 vring_alloc_queue+0x59/0x78 vring_alloc_queue_split+0x8d/0x13c
vring_create_virtqueue_split+0x47/0xd2 vring_create_virtqueue+0xba/0xc9 setup_vq+0x10a/0x16f
vp_setup_vq+0x72/0x11e

# 4.2 graphics memory = driver, dma_generic_alloc_coherent, ttm
__alloc_pages_nodemask+0x1de/0xb00 dma_generic_alloc_coherent+0xa4/0xf0 x86_swiotlb_alloc_coherent+0x2d/0x60
dma_alloc_attrs+0x4e/0x90 ttm_dma_populate+0x502/0x900 [ttm] radeon_ttm_tt_populate+0x216/0x2b0 [radeon]

# 5.11 graphics memory of a module = driver, ttm_pool_alloc, ttm
__alloc_pages_nodemask+0x37d/0x400 ttm_pool_alloc+0x2a3/0x630 [ttm] ttm_tt_populate+0x37/0xe0 [ttm]
ttm_bo_handle_move_mem+0x13a/0x170 [ttm] ttm_bo_validate+0x15f/0x1b0 [ttm] ttm_bo_init_reserved+0x2f7/0x3e0
[ttm] amdgpu_bo_do_create+0x1a8/0x630 [amdgpu]

# 6.x arm64 DMA of a built-in driver = driver, __dma_direct_alloc_pages, vmlinux
post_alloc_hook+0x40/0x90 prep_new_page+0x34/0x68 get_page_from_freelist+0x894/0xe64
__alloc_pages+0x12c/0xd24 __dma_direct_alloc_pages+0x9c/0x170 dma_direct_alloc+0x254/0x4bc
dma_alloc_attrs+0xe4/0x1e4 qcom_scm_assign_mem+0xb0/0x258

# 7.2 arm64 interrupt controller's table = driver, its_alloc_pages_node, vmlinux
__alloc_pages_noprof+0x14/0x50 its_alloc_pages_node+0x60/0xd0 its_allocate_pending_table+0x28/0x80
its_init+0x4a8/0x6a0 gic_init_bases+0x5f0/0x7c0 gic_of_init+0x250/0x380 of_irq_init+0x1f0/0x330

# 4.14 graphics memory of a phone = driver, kgsl_pool_alloc_page, vmlinux
__alloc_pages_nodemask+0x1f0/0xd80 kgsl_pool_alloc_page+0x88/0x1a0 kgsl_sharedmem_page_alloc_user+0x1c4/0x4d0

# 6.x ppc64 page table = page table, pte_fragment_alloc, vmlinux
post_alloc_hook+0x124/0x128 get_page_from_freelist+0x3b0/0xfb0 __alloc_pages+0x1cb/0x5b0
pte_fragment_alloc+0x188/0x2d0 __pte_alloc+0x44/0x180 handle_mm_fault+0x103/0x1a7

# 6.x arm64 swapoff, its loop inlined = anon, __read_swap_cache_async, vmlinux
post_alloc_hook+0x1f3/0x230 get_page_from_freelist+0x2ce2/0x2d90 __read_swap_cache_async+0x100/0x2b0
swap_cluster_readahead+0x17b/0x1d5 swapin_readahead+0xa7/0x380 __arm64_sys_swapoff+0xa48/0xaec

# 6.x arm64 swapoff of tmpfs = tmpfs/shmem, __read_swap_cache_async, vmlinux
get_page_from_freelist+0x2ce2/0x2d90 __read_swap_cache_async+0x100/0x2b0 swap_cluster_readahead+0x17b/0x1d5
shmem_swapin+0x50/0x90 shmem_unuse+0x218/0x5a0 __arm64_sys_swapoff+0xa48/0xaec

# 4.4 ppc64 first touch, dots before names = anon, do_anonymous_page, vmlinux
[<c0000000001d7a3c>] .__alloc_pages_nodemask+0x23c/0x254 [<c00000000021bcbc>] .do_anonymous_page+0x1bc/0x430

# 6.x ppc64 slab of a module, dots before names = slab, alloc_store, yep_slab
.post_alloc_hook+0x124/0x128 .new_slab+0xd0/0x5ac .kmem_cache_alloc+0x2b0/0x3a0 .alloc_store+0xb8/0xfc [yep_slab]

# 5.x clang LTO first touch = anon, do_anonymous_page, vmlinux
post_alloc_hook+0x23c/0x254 do_anonymous_page.llvm.11111111111111111111+0x1bc/0x430

# 5.10 arm32, 0 at its end = early boot, init_page_owner, vmlinux
init_page_owner+0x28/0x2f8 invoke_init_callbacks_flatmem+0x24/0x34 start_kernel+0x33c/0x5d8 (null)

# 6.x arm64 fault handler, from itself on = other, secretmem_fault, vmlinux
secretmem_fault+0x1e8/0x23c __do_fault+0x3c/0x214 do_fault+0x310/0x650 __handle_mm_fault+0x4d0/0xc20

# 7.2 copy on write = anon, do_wp_page, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 folio_alloc_mpol_noprof+0x14/0x2e vma_alloc_folio_noprof+0x57/0x70
folio_prealloc+0x23/0x59 do_wp_page+0x3f0/0x74f __handle_mm_fault+0xb55/0xbb5 handle_mm_fault+0x103/0x1a7
do_user_addr_fault+0x282/0x46a exc_page_fault+0xdd/0xf1 asm_exc_page_fault+0x26/0x30

# 7.2 from swap = anon, swap_cache_alloc_folio, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 folio_alloc_mpol_noprof+0x14/0x2e swap_cache_alloc_folio+0x13a/0x383
swap_cache_read_folio+0x4e/0x9c swap_cluster_readahead+0x17b/0x1d5 swapin_readahead+0xa7/0x380
do_swap_page+0x49b/0xafb __handle_mm_fault+0xb11/0xbb5 handle_mm_fault+0x103/0x1a7
do_user_addr_fault+0x282/0x46a exc_page_fault+0xdd/0xf1 asm_exc_page_fault+0x26/0x30

# 7.2 swapoff = anon, swap_cache_alloc_folio, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 folio_alloc_mpol_noprof+0x14/0x2e swap_cache_alloc_folio+0x13a/0x383
swap_cache_read_folio+0x4e/0x9c swap_cluster_readahead+0x17b/0x1d5 swapin_readahead+0xa7/0x380
unuse_pte_range+0x108/0x41f __x64_sys_swapoff+0xa48/0xaec do_syscall_64+0x90/0x1e0
entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 7.2 huge page collapsed = anon, alloc_charge_folio, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
__alloc_pages_noprof+0xe/0x1b __folio_alloc_noprof+0x14/0x27 alloc_charge_folio+0xcd/0x1c9
collapse_single_pmd+0x5cb/0x18dd khugepaged+0x24f/0x591 kthread+0xfc/0x104 ret_from_fork+0x25/0x171

# 5.0 first touch = anon, do_anonymous_page, vmlinux
__alloc_pages_nodemask+0x277/0x290 alloc_pages_vma+0x73/0x180 do_anonymous_page+0xed/0x5a0
__handle_mm_fault+0xbb3/0xe70 handle_mm_fault+0xfa/0x210 __do_page_fault+0x233/0x4c0

# 5.x arm64 first touch = anon, do_anonymous_page, vmlinux
prep_new_page+0x7c/0x1a4 get_page_from_freelist+0x1ac/0x1c4 __alloc_pages_nodemask+0x12c/0x378
do_anonymous_page+0xac/0x3b4 handle_pte_fault+0x2a4/0x3bc __handle_speculative_fault+0x208/0x3c0
do_page_fault+0x280/0x508 do_translation_fault+0x3c/0x54 do_mem_abort+0x64/0xf4 el0_da+0x1c/0x20

# 4.2 copy on write = anon, wp_page_copy, vmlinux
__alloc_pages_nodemask+0x1de/0xb00 wp_page_copy.isra.62+0x7a/0x5c0 do_wp_page+0xbd/0x600
handle_mm_fault+0x78c/0x1480 __do_page_fault+0x178/0x480 do_page_fault+0x2b/0x40 page_fault+0x28/0x30
0xffffffffffffffff

# 4.2 first touch, all inlined = anon, handle_mm_fault, vmlinux
__alloc_pages_nodemask+0x1de/0xb00 handle_mm_fault+0x11bb/0x1480 __do_page_fault+0x178/0x480
do_page_fault+0x2b/0x40 page_fault+0x28/0x30 0xffffffffffffffff

# 7.2 page for the C library's time functions: no rule = other, vdso_setup_data_pages, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b vdso_setup_data_pages+0x19/0x8f start_kernel+0x628/0x75b
clear_bss+0x0/0x38 reserve_bios_regions+0x0/0x61 common_startup_64+0x129/0x138

# 6.1 slab page, interleaved = slab, shmem_alloc_inode, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x5c6/0x6fe __alloc_pages+0xe7/0x1a4
alloc_page_interleave+0xf/0x54 alloc_slab_page+0x19/0x7c allocate_slab+0x5e/0x189 ___slab_alloc+0x3d1/0x5b7
kmem_cache_alloc_lru+0x91/0x12e shmem_alloc_inode+0x1d/0x29 alloc_inode+0x1b/0x87 new_inode_pseudo+0xc/0x37
new_inode+0x12/0x29 shmem_get_inode+0x56/0x21f shmem_mknod+0x2b/0x80 path_openat+0x590/0xa16
do_filp_open+0x53/0x98

# 6.1 copy on write, interleaved = anon, wp_page_copy, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x5c6/0x6fe __alloc_pages+0xe7/0x1a4
alloc_page_interleave+0xf/0x54 vma_alloc_folio+0xae/0x216 wp_page_copy+0x9a/0x3ee __handle_mm_fault+0x47b/0xa00
handle_mm_fault+0xe2/0x19c do_user_addr_fault+0x28c/0x426 exc_page_fault+0xd2/0xe4 asm_exc_page_fault+0x22/0x30

# 7.2 slab page by a sheaf = slab, vm_area_dup, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_slab_page+0x2a/0x5e new_slab+0x93/0x2bf refill_objects+0x19b/0x1d3 refill_sheaf+0x27/0x36
__pcs_replace_empty_main+0x129/0x1df kmem_cache_alloc_noprof+0xea/0x274 vm_area_dup+0x1f/0x125
dup_mmap+0x205/0x5a3 copy_process+0xd14/0x1758 kernel_clone+0xcd/0x278 __do_sys_clone+0x54/0x5e
do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 7.2 node of a maple tree by a sheaf = slab, simple_offset_add, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_slab_page+0x2a/0x5e new_slab+0x93/0x2bf refill_objects+0x19b/0x1d3 refill_sheaf+0x27/0x36
__prefill_sheaf_pfmemalloc+0x39/0x68 kmem_cache_prefill_sheaf+0x159/0x17b mas_alloc_nodes+0xa9/0xc3
mas_insert.isra.0+0x44/0x99 mas_alloc_cyclic+0x91/0x105 mtree_alloc_cyclic+0x9a/0xb0 simple_offset_add+0x43/0x61
shmem_mknod+0x56/0x9b vfs_mknod+0xb5/0xd8

# 7.2 node of a radix tree = slab, p9_tag_alloc, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_slab_page+0x2a/0x5e new_slab+0x93/0x2bf refill_objects+0x19b/0x1d3 refill_sheaf+0x27/0x36
__pcs_replace_empty_main+0x129/0x1df kmem_cache_alloc_noprof+0xea/0x274 radix_tree_node_alloc.constprop.0+0x3d/0xaf
idr_get_free+0xed/0x26a idr_alloc_u32+0x79/0xb5 idr_alloc+0x2e/0x38 p9_tag_alloc+0x177/0x1d2
p9_client_prepare_req+0x74/0x132 p9_client_rpc+0x80/0x2d6

# 7.2 node of an xarray = slab, __filemap_add_folio, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_slab_page+0x2a/0x5e new_slab+0x93/0x2bf refill_objects+0x19b/0x1d3 refill_sheaf+0x27/0x36
__pcs_replace_empty_main+0x129/0x1df kmem_cache_alloc_lru_noprof+0xea/0x274 xas_alloc+0x52/0xa7
xas_create+0x235/0x2e0 xas_store+0x4d/0x412 __filemap_add_folio+0x208/0x30c filemap_add_folio+0xb4/0x131
page_cache_ra_order+0x207/0x2b2 filemap_readahead.isra.0+0x60/0x6f

# 7.2 hash table = slab, netlink_proto_init, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_slab_page+0x2a/0x5e new_slab+0x93/0x2bf refill_objects+0x19b/0x1d3 refill_sheaf+0x27/0x36
__pcs_replace_empty_main+0x129/0x1df __kvmalloc_node_noprof+0x1a5/0x3c6 bucket_table_alloc.isra.0+0x47/0xfb
__rhashtable_init_noprof+0x13d/0x1a0 netlink_proto_init+0x84/0x13d do_one_initcall+0x8f/0x173
kernel_init_freeable+0x189/0x1ef kernel_init+0x1a/0x119 ret_from_fork+0x25/0x171

# 7.2 socket = slab, inet_create, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_slab_page+0x2a/0x5e new_slab+0x93/0x2bf refill_objects+0x19b/0x1d3 refill_sheaf+0x27/0x36
__pcs_replace_empty_main+0x129/0x1df kmem_cache_alloc_noprof+0xea/0x274 sk_prot_alloc.constprop.0+0x2b/0xc4
sk_alloc+0x2d/0xc8 inet_create+0x155/0x2b8 __sock_create+0x112/0x180 __sys_socket_create+0x27/0x35
__sys_socket+0x28/0x87 __x64_sys_socket+0x17/0x1a

# 7.2 BPF array in vmalloc memory = bpf, array_map_alloc, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b __vmalloc_node_range_noprof+0x2be/0x5cc
__bpf_map_area_alloc+0xc0/0xcd array_map_alloc+0xa8/0x155 map_create+0x292/0x85d __sys_bpf+0x1f0/0x2b6e
__x64_sys_bpf+0x2c/0x3f do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 7.2 rings = io_uring, io_create_region, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b io_create_region+0x222/0x32c io_uring_create+0x538/0x793
io_uring_setup+0x75/0x83 do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 6.1 rings = io_uring, io_uring_setup, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x5c6/0x6fe __alloc_pages+0xe7/0x1a4 io_pages_map+0x9e/0x181
io_uring_setup+0x558/0x7d8 do_syscall_64+0x39/0x46 entry_SYSCALL_64_after_hwframe+0x4b/0xb5

# 7.2 ftrace's ring buffer = tracing, __rb_allocate_pages, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
__alloc_pages_noprof+0xe/0x1b alloc_cpu_data+0x2d/0x52 __rb_allocate_pages+0x204/0x2b3
ring_buffer_resize+0x124/0x47e __tracing_resize_ring_buffer+0x35/0x8b tracing_resize_ring_buffer+0x38/0x66
tracing_entries_write+0x6c/0x83 vfs_write+0x96/0x17a ksys_write+0x71/0x9e do_syscall_64+0x90/0x1e0
entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 7.2 perf's ring buffer = tracing, perf_mmap_alloc_page, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
__alloc_pages_noprof+0xe/0x1b perf_mmap_alloc_page+0x39/0x55 rb_alloc+0xa6/0x1b6 perf_mmap+0x197/0x62c
__mmap_region+0x717/0xb22 mmap_region+0xc4/0xe1 do_mmap+0x437/0x48d vm_mmap_pgoff+0xc3/0x125
ksys_mmap_pgoff+0x71/0x9a do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53

# 6.1 pipe = pipe, pipe_write, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x5c6/0x6fe __alloc_pages+0xe7/0x1a4 pipe_write+0x1d4/0x4bf
vfs_write+0x118/0x18b ksys_write+0x6b/0x9c do_syscall_64+0x39/0x46 entry_SYSCALL_64_after_hwframe+0x4b/0xb5

# 7.2 arm64 page table, pte_alloc_one() inlined = page table, __do_fault, vmlinux
get_page_from_freelist+0xf3c/0x123c __alloc_frozen_pages_noprof+0xc0/0x1a4 __alloc_pages_noprof+0xc/0x20
__do_fault+0x90/0x138 __handle_mm_fault+0x938/0x15f4 handle_mm_fault+0x148/0x1ac do_page_fault+0x164/0x4dc
do_translation_fault+0x44/0x4c do_mem_abort+0x40/0x8c el0_da+0x30/0x90 el0t_64_sync_handler+0xc8/0xdc
el0t_64_sync+0x170/0x174

# 7.2 arm64 page table of a huge page = page table, do_huge_pmd_anonymous_page, vmlinux
get_page_from_freelist+0xef4/0x1170 __alloc_frozen_pages_noprof+0xc0/0x1a4 __alloc_pages_noprof+0xc/0x20
do_huge_pmd_anonymous_page+0xcc/0x5bc __handle_mm_fault+0x708/0x15c4 handle_mm_fault+0x148/0x1ac
do_page_fault+0x164/0x508 do_translation_fault+0x44/0x4c do_mem_abort+0x40/0x8c el1_abort+0x40/0x5c

# 7.2 arm64 huge page = anon, do_huge_pmd_anonymous_page, vmlinux
get_page_from_freelist+0xef4/0x1170 __alloc_frozen_pages_noprof+0xc0/0x1a4 __folio_alloc_noprof+0x10/0x60
vma_alloc_anon_folio_pmd+0x30/0x2f4 do_huge_pmd_anonymous_page+0xa4/0x5bc __handle_mm_fault+0x708/0x15c4
handle_mm_fault+0x148/0x1ac do_page_fault+0x164/0x508 do_translation_fault+0x44/0x4c do_mem_abort+0x40/0x8c

# 7.2 arm64 first touch, its functions inlined = anon, __handle_mm_fault, vmlinux
get_page_from_freelist+0xf3c/0x123c __alloc_frozen_pages_noprof+0xc0/0x1a4 __folio_alloc_noprof+0x10/0x60
__handle_mm_fault+0x480/0x15f4 handle_mm_fault+0x148/0x1ac do_page_fault+0xf4/0x4dc
do_translation_fault+0x44/0x4c do_mem_abort+0x40/0x8c el0_da+0x30/0x90 el0t_64_sync_handler+0xc8/0xdc
el0t_64_sync+0x170/0x174

# 7.2 memory map of a memory device = other, vmemmap_alloc_block, vmlinux
post_alloc_hook+0x6a/0x91 prep_new_page+0x1c/0x48 get_page_from_freelist+0x99e/0xa21
__alloc_frozen_pages_noprof+0xe3/0x173 __alloc_pages_noprof+0xe/0x1b vmemmap_alloc_block+0x93/0x12b
vmemmap_populate_hugepages+0xb6/0x11e vmemmap_populate+0x2f/0x4b __populate_section_memmap+0x17f/0x19c
sparse_add_section+0x169/0x21d __add_pages+0xb0/0xd4 add_pages+0x36/0x80 add_memory_resource+0x2c9/0x3a6
__add_memory+0x40/0x62 acpi_memory_device_add+0x1d7/0x279 acpi_bus_attach+0x10c/0x19c

# 7.2 page table for a memory device = page table, phys_pud_init, vmlinux
post_alloc_hook+0x6a/0x91 prep_new_page+0x1c/0x48 get_page_from_freelist+0x99e/0xa21
__alloc_frozen_pages_noprof+0xe3/0x173 alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b
get_free_pages_noprof+0x11/0x35 phys_pud_init+0x1b1/0x231 phys_p4d_init+0x1c1/0x25e
__kernel_physical_mapping_init+0xf7/0x225 init_memory_mapping+0x1cf/0x263 arch_add_memory+0x2f/0x4b
add_memory_resource+0x2c9/0x3a6 __add_memory+0x40/0x62 acpi_memory_device_add+0x1d7/0x279
acpi_bus_attach+0x10c/0x19c

# 7.2 pipe = pipe, anon_pipe_write, vmlinux
prep_new_page+0x1c/0x48 get_page_from_freelist+0x8a0/0x923 __alloc_frozen_pages_noprof+0xee/0x17c
alloc_pages_mpol+0x98/0x157 alloc_pages_noprof+0xe/0x1b anon_pipe_write+0x2e5/0x54c vfs_write+0x10c/0x17a
ksys_write+0x71/0x9e do_syscall_64+0x90/0x1e0 entry_SYSCALL_64_after_hwframe+0x4b/0x53
"""


def split(text: str) -> list[str]:
    """Split at white space, except before "[module]" and after "[<address>]"."""
    return re.split(r"(?<!>\])\s+(?!\[\w)", text.strip())


def stacks() -> dict[str, tuple[list[str], tuple[str, ...]]]:
    found = re.findall(r"^# (.*) = (.*)\n((?:[^#\n].*\n)+)", STACKS, re.MULTILINE)
    return {name: (split(text), tuple(expected.split(", "))) for name, expected, text in found}


@pytest.mark.parametrize(("frames", "expected"), stacks().values(), ids=stacks().keys())
def test_meaning_of_real_stacks(frames: list[str], expected: tuple[str, ...]) -> None:
    assert meaning(frames) == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.category}: {rule.patterns:.30}")
def test_each_rule_decides_a_real_stack(rule: Rule) -> None:
    assert [name for name, (frames, _) in stacks().items() if deciding_rule(frames) is rule]


def test_all_stacks_of_the_text_are_parsed() -> None:
    assert len(stacks()) == STACKS.count("\n# ")


def test_the_tables_are_consistent() -> None:
    allocator = [rule.scope is Scope.ALLOCATOR for rule in RULES]

    assert {rule.category for rule in RULES} == set(CATEGORIES)
    assert allocator == sorted(allocator, reverse=True), "rules of scope ALLOCATOR come first"


def test_functions_that_decide_in_the_allocator_are_not_callers() -> None:
    for name in ("alloc_slab_page", "___slab_alloc", "__kmalloc_large_node", "__vmalloc_node_range"):
        assert any(fnmatchcase(name, glob) for glob in ALLOCATORS.split()), name


def test_no_frames() -> None:
    assert meaning([]) == ("other", "", "vmlinux")


def test_plumbing_only_gives_the_outermost_frame_as_caller() -> None:
    assert meaning(["prep_new_page+0x1/0x2", "__alloc_pages+0x3/0x4"]) == (
        "other",
        "__alloc_pages",
        "vmlinux",
    )


def test_unresolved_frames_are_the_same_in_all_boots() -> None:
    first, second = (
        meaning(["__alloc_pages+0x3/0x4", address]) for address in ("0xffffffffc0123456", "0xffffffffc0fed")
    )

    assert first == second == ("other", "[unknown]", "vmlinux")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("__netdev_alloc_skb+0x1/0x2 ath11k_ce_rx_post_pipe+0x1/0x2 [ath11k] ath11k_x+0x1/0x2 [ath11k_ahb]",
         "ath11k_ce_rx_post_pipe [ath11k]"),
        ("__alloc_pages+0x1/0x2 .mlx5_alloc.isra.0+0x1/0x2 [mlx5_core]", "mlx5_alloc [mlx5_core]"),
        ("__alloc_pages+0x1/0x2 do_anonymous_page+0x1/0x2", "the caller"),
        ("", "the caller"),
    ],
)  # fmt: skip
def test_the_call_site_is_the_innermost_frame_in_a_module_or_the_caller(frames: str, expected: str) -> None:
    assert call_site(split(frames) if frames else [], "the caller") == expected


def test_stacks_without_symbols_have_an_unknown_caller() -> None:
    assert meaning(["0xc0123cabc", "0xc011bcabc"]) == ("other", "[unknown]", "vmlinux")


@pytest.mark.parametrize(
    ("frame", "name", "module"),
    [
        ("get_page_from_freelist+0x8a0/0x923", "get_page_from_freelist", ""),
        (" leading_space+0x1/0x2 [e1000]", "leading_space", "e1000"),
        ("with_build_id+0x1/0x2 [ttm 0bd92a9d9dccc3a4f19554535860aaeda76eb4f4]", "with_build_id", "ttm"),
        ("[<ffffffffa0427d72>] ttm_dma_populate+0x502/0x900 [ttm]", "ttm_dma_populate", "ttm"),
        ("mas_insert.isra.0+0x44/0x99", "mas_insert", ""),
        ("copy_process.part.31+0x1/0x2", "copy_process", ""),
        ("foo.constprop.0.isra.0+0x1/0x2", "foo", ""),
        ("bar.llvm.1234567890+0x1/0x2", "bar", ""),
        ("out_of_memory.cold+0x1/0x2", "out_of_memory", ""),
        ("alloc_pages_noprof+0xe/0x1b", "alloc_pages_noprof", ""),
        ("no_offset", "no_offset", ""),
        (".post_alloc_hook+0x23c/0x254", "post_alloc_hook", ""),
        (".alloc_store+0xb8/0xfc [yep_slab]", "alloc_store", "yep_slab"),
        ("[<c00000000021bcbc>] .__slab_alloc.isra.20+0x1bc/0x430", "__slab_alloc", ""),
        ("foo.cfi_jt+0x1/0x2", "foo", ""),
        ("foo.lto_priv.0.cold+0x1/0x2 [m]", "foo", "m"),
        ("foo.1234+0x1/0x2", "foo", ""),
        ("foo.__uniq.177758254.llvm.9+0x1/0x2", "foo", ""),
        ("foo$d41d8cd98f00b204e9800998ecf8427e+0x1/0x2", "foo", ""),
        ("foo$d41d8cd98f00b204e9800998ecf8427e.cfi_jt", "foo", ""),
        (
            "_ZN36_$LT$T$u20$as$u20$core..any..Any$GT$3fmt17h0123456789abcdefE.llvm.7+0x1/0x2",
            "_ZN36_$LT$T$u20$as$u20$core..any..Any$GT$3fmt17h0123456789abcdefE",
            "",
        ),
        ("0xffffffffc0123456 [gone]", "[unknown]", "gone"),
        ("(null)", "[unknown]", ""),
        ("[<  (null)>]   (null)", "[unknown]", ""),
        ("0xffffffffffffffff", "[unknown]", ""),
        ("", "", ""),
    ],
)
def test_function_and_module_name(frame: str, name: str, module: str) -> None:
    assert (function_name(frame), module_name(frame)) == (name, module)


# Allocators of network buffers, from 3.19 to 7.2, none of which is a caller.
NETWORK_PLUMBING = """
    __alloc_page_frag __alloc_page_frag_align page_frag_alloc page_frag_alloc_align __page_frag_alloc_align
    __page_frag_cache_refill __page_frag_cache_prepare page_frag_cache_drain __page_frag_refill skb_page_frag_refill
    sk_page_frag_refill netdev_alloc_frag __netdev_alloc_frag __netdev_alloc_frag_align napi_alloc_frag
    __napi_alloc_frag_align __alloc_skb alloc_skb_with_frags __alloc_rx_skb __netdev_alloc_skb
    __netdev_alloc_skb_ip_align napi_alloc_skb __napi_alloc_skb dev_alloc_skb __dev_alloc_pages_noprof
    __skb_alloc_pages napi_get_frags build_skb __build_skb build_skb_around napi_build_skb slab_build_skb
    sock_alloc_send_skb sock_alloc_send_pskb page_pool_alloc_pages page_pool_alloc_netmems page_pool_dev_alloc_pages
    __page_pool_alloc_pages_slow
"""


@pytest.mark.parametrize("name", NETWORK_PLUMBING.split())
def test_an_allocator_of_network_buffers_is_not_the_caller(name: str) -> None:
    # GIVEN a driver that fills its receive ring, with pages or with objects
    asker = ["mvneta_rx_refill+0x1/0x2", "net_rx_action+0x1/0x2"]
    pages = ["__alloc_pages+0x1/0x2", f"{name}+0x1/0x2", *asker]
    objects = ["__alloc_pages+0x1/0x2", "new_slab+0x1/0x2", "kmem_cache_alloc_node+0x1/0x2", f"{name}+0x1/0x2", *asker]
    # THEN the driver is the caller, and the category does not change
    assert meaning(pages) == ("network", "mvneta_rx_refill", "vmlinux")
    assert meaning(objects) == ("slab", "mvneta_rx_refill", "vmlinux")


# Other allocators, none of which is a caller: NUMA policies (3.19 to 7.2), sheaves, containers, helpers of subsystems.
PLUMBING = """
    alloc_pages_current alloc_page_interleave alloc_pages_vma alloc_pages_preferred_many
    alloc_pages_mpol alloc_pages_mpol_noprof alloc_frozen_pages_noprof try_alloc_pages_noprof alloc_pages_nolock_noprof
    alloc_pages_bulk_array_mempolicy alloc_pages_bulk_array_interleave alloc_pages_bulk_array_weighted_interleave
    alloc_pages_bulk_mempolicy_noprof alloc_pages_bulk_interleave folio_alloc_mpol_noprof vma_alloc_folio_noprof
    folio_prealloc vma_alloc_anon_folio_pmd
    __pcs_replace_empty_main __pcs_replace_full_main alloc_from_pcs refill_sheaf refill_objects __refill_objects_node
    alloc_full_sheaf __prefill_sheaf_pfmemalloc kmem_cache_refill_sheaf
    __bpf_map_area_alloc bpf_map_area_alloc io_pages_map alloc_inode new_inode new_inode_pseudo iget_locked
    alloc_cpu_data execmem_alloc execmem_vmalloc execmem_cache_alloc __execmem_cache_alloc module_alloc
    radix_tree_node_alloc __radix_tree_preload idr_get_free idr_alloc_u32 ida_alloc_range xas_alloc xas_create xas_nomem
    __xas_nomem __xa_alloc mas_alloc_nodes mas_preallocate mtree_alloc_cyclic sk_prot_alloc sk_alloc
    bucket_table_alloc rhashtable_init __rhashtable_init_noprof bitmap_zalloc bitmap_alloc_node
"""


@pytest.mark.parametrize("name", PLUMBING.split())
def test_an_allocator_is_not_the_caller(name: str) -> None:
    # GIVEN objects, or page tables, that were allocated through this function
    objects = ["__alloc_pages+0x1/0x2", f"{name}+0x1/0x2", "alloc_slab_page+0x1/0x2", "proc_asker+0x1/0x2"]
    tables = ["__alloc_pages+0x1/0x2", f"{name}+0x1/0x2", "pte_alloc_one+0x1/0x2", "handle_mm_fault+0x1/0x2"]
    # THEN the function that asked is the caller, and the rules see the allocator below it
    assert meaning(objects) == ("slab", "proc_asker", "vmlinux")
    assert meaning(tables) == ("page table", "pte_alloc_one", "vmlinux")


# The functions of the page fault handler into which pte_alloc_one() may be inlined, and what it calls.
@pytest.mark.parametrize(
    "caller", ["__handle_mm_fault", "do_fault_around", "do_read_fault", "__do_fault", "finish_fault"]
)
@pytest.mark.parametrize(
    "callee",
    ["__alloc_pages_noprof", "alloc_pages", "alloc_pages_current", "alloc_pages_mpol", "get_free_pages_noprof"],
)
def test_a_fault_handler_allocates_page_tables_by_alloc_pages(caller: str, callee: str) -> None:
    assert meaning([f"{callee}+0x1/0x2", f"{caller}+0x1/0x2", "handle_mm_fault+0x1/0x2"]).category == "page table"


@pytest.mark.parametrize(
    "callees",
    [
        "__alloc_pages_noprof __folio_alloc_noprof",
        "alloc_pages_mpol_noprof folio_alloc_mpol_noprof vma_alloc_folio_noprof",
        "alloc_pages_mpol vma_alloc_folio",
        "__alloc_pages_nodemask alloc_pages_vma",
        # Without NUMA, alloc_pages_vma() is a macro.
        "__alloc_pages_nodemask",
        "__alloc_pages",
        # A tail call of alloc_pages_vma() in 5.x.
        "__alloc_pages alloc_page_interleave",
    ],
)
@pytest.mark.parametrize("caller", ["__handle_mm_fault", "do_anonymous_page", "do_huge_pmd_anonymous_page"])
def test_a_fault_handler_allocates_memory_of_processes_by_other_functions(caller: str, callees: str) -> None:
    stack = [f"{name}+0x1/0x2" for name in (*callees.split(), caller, "handle_mm_fault")]
    assert meaning(stack).category == "anon"


def test_page_tables_of_huge_pages_on_arm64() -> None:
    fault = "do_huge_pmd_anonymous_page+0x1/0x2 __handle_mm_fault+0x1/0x2 handle_mm_fault+0x1/0x2"

    assert meaning(["__alloc_pages_noprof+0x1/0x2", *fault.split()]).category == "page table"
    # Up to 6.9, this may be the huge zero page.
    assert meaning(["alloc_pages+0x1/0x2", *fault.split()]).category == "anon"


@pytest.mark.parametrize("placeholder", ["register_dummy_stack", "register_failure_stack"])
def test_the_caller_of_a_lost_stack_is_unknown(placeholder: str) -> None:
    stack = [f"{placeholder}.isra.0+0x28/0x43", "init_page_owner+0x29/0x24d", "mm_core_init+0x17a/0x184"]

    assert meaning(stack) == ("other", "owner lost", "vmlinux")
