# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables that say what a page's allocation stack means.

Patterns are shell-style globs over function names without offsets, compiler suffixes and ``_noprof``. They
hold for 3.19 to 7.x, x86 and arm64: a name that came or went with a version costs nothing where it is not.
"""

from enum import Enum
from typing import NamedTuple

__all__ = ["CATEGORIES", "PLUMBING", "RULES", "Rule", "Scope"]

CATEGORIES: tuple[str, ...] = (
    "anon",
    "tmpfs/shmem",
    "page cache",
    "slab",
    "page table",
    "kernel stack",
    "vmalloc",
    "per-cpu",
    "network",
    "block",
    "driver",
    "bpf",
    "early boot",
    "other",
)


class Scope(Enum):
    """Which frames a rule looks at. KIND comes before the rest: what a page is precedes who asked for it."""

    KIND = "the allocator's own frames and its caller"
    ASKER = "any frame: the innermost frame that any rule knows decides"
    MODULE = "like ASKER, but matches the name in [brackets]"


class Rule(NamedTuple):
    """A row: its category where a pattern matches. Among rows that match the same frame(s) the first wins."""

    category: str
    scope: Scope
    patterns: str


# Frames of the allocators themselves: the caller is the first frame that is none of these.
PLUMBING = """
    save_stack *set_page_owner* register_*_stack
    prep_new_page post_alloc_hook get_page_from_freelist rmqueue* split_page split_free_page split_map_pages
    alloc_page alloc_pages alloc_pages_* __alloc_pages __alloc_pages_* __alloc_page alloc_frozen_pages*
    __alloc_frozen_pages* __get_free_page* get_free_page* get_zeroed_page* __get_dma_pages
    alloc_contig_* __alloc_contig_* cma_alloc*
    folio_alloc __folio_alloc folio_alloc_mpol* vma_alloc_folio vma_alloc_zeroed_movable_folio
    filemap_alloc_folio __page_cache_alloc
    alloc_slab_page new_slab allocate_slab new_slab_objects __slab_alloc ___slab_alloc slab_alloc*
    __slab_alloc_node alloc_slab_obj_exts alloc_from_pcs* refill_sheaf* refill_objects alloc_*sheaf* __*sheaf*
    kmem_cache_prefill_sheaf cache_grow* cache_alloc* ____cache_alloc* kmem_getpages fallback_alloc
    alternate_node_alloc __do_cache_alloc
    kmem_cache_*alloc* __kmem_cache_alloc* kmalloc* __kmalloc* ___kmalloc* __do_kmalloc* kzalloc* kcalloc
    kvmalloc* __kvmalloc* kvzalloc* kvcalloc* krealloc* __krealloc* __do_krealloc kvrealloc* devm_k*alloc*
    kstrdup* kstrndup kmemdup* kvmemdup kvasprintf* kasprintf memdup_user* vmemdup_user strndup_user mempool_*
    __vmalloc* vmalloc vmalloc_* vzalloc* vcalloc* vmap vm_area_alloc_pages alloc_vmap_area __get_vm_area_node
    __vmap_pages_range* vmap_pages_range* vmap_small_pages_range* alloc_large_system_hash
    page_frag_alloc* __page_frag_alloc* __alloc_page_frag __alloc_page_frag_* page_frag_cache_* __page_frag_cache_*
    __page_frag_refill skb_page_frag_refill* sk_page_frag_refill netdev_alloc_frag* __netdev_alloc_frag*
    napi_alloc_frag* __napi_alloc_frag* alloc_skb* __alloc_skb __alloc_rx_skb netdev_alloc_skb*
    __netdev_alloc_skb* napi_alloc_skb __napi_alloc_skb dev_alloc_skb __dev_alloc_skb dev_alloc_page*
    __dev_alloc_page* __skb_alloc_page* napi_get_frags napi_skb_cache_get* build_skb* __build_skb* slab_build_skb
    napi_build_skb __napi_build_skb sock_alloc_send_skb sock_alloc_send_pskb sock_wmalloc sock_omalloc sock_kmalloc
    page_pool_* __page_pool_*
"""

KIND, ASKER, MODULE = Scope.KIND, Scope.ASKER, Scope.MODULE

RULES: tuple[Rule, ...] = (
    # A slab page holds objects of many askers, so it is slab whoever's object came first.
    # kmalloc above a few pages has pages of its own; /proc/meminfo counts them as Slab, and so does this.
    Rule(
        "slab",
        KIND,
        "alloc_slab_page new_slab allocate_slab ___slab_alloc cache_grow* cache_alloc_refill kmem_getpages"
        " kmem_cache_*alloc* __kmem_cache_alloc* kmalloc* __kmalloc* ___kmalloc*",
    ),
    Rule(
        "page table",
        KIND,
        "*pte_alloc* *pmd_alloc* *pud_alloc* *p4d_alloc* *pgd_alloc* pgd_ctor get_pgd_slow alloc_new_pud"
        " pgtable_alloc* pagetable_alloc* page_table_alloc* *_pgtable_alloc* alloc_low_pages spp_getpage"
        " *pte_fragment_alloc* *pmd_fragment_alloc* crst_table_alloc* alloc_pgtable_page"
        " kvm_mmu_topup_memory_cache __kvm_mmu_topup_memory_cache mmu_topup_memory_cache*"
        " mmu_memory_cache_alloc_obj tdp_mmu_alloc_sp* iommu_alloc_page* __arm_lpae_alloc_pages",
    ),
    # Stacks come from vmalloc since 4.9 (CONFIG_VMAP_STACK), so they must be told before vmalloc; compilers
    # often inline the stack's allocator into copy_process().
    Rule(
        "kernel stack",
        KIND,
        "alloc_thread_stack_node alloc_thread_info_node dup_task_struct copy_process fork_idle"
        " scs_alloc _scs_alloc __scs_alloc",
    ),
    Rule("vmalloc", KIND, "__vmalloc* vmalloc vmalloc_* vzalloc* vm_area_alloc_pages"),
    Rule("per-cpu", KIND, "pcpu_*"),
    # page_owner could not record what asked (it was recording, or its stack store was full).
    Rule("other", KIND, "register_dummy_stack register_failure_stack"),
    # In kernels without an early stack of its own (4.2 has none), the stack of page_owner's start stands in.
    Rule("early boot", KIND, "register_early_stack page_ext_init init_page_owner init_early_allocated_pages"),
    # Memory for book-keeping, reclaim or compaction belongs to none of the frames those interrupted.
    Rule("other", ASKER, "stack_depot_* __stack_depot_* kasan_* kmsan_* kfence_* kmemleak_*"),
    Rule(
        "other",
        ASKER,
        "swap_cluster_alloc_table swap_table_alloc add_swap_count_continuation folio_alloc_swap add_to_swap"
        " get_swap_page* swap_writeout swap_writepage* shmem_writeout shmem_writepage shrink_folio_list"
        " shrink_page_list shrink_*lruvec shrink_node* shrink_slab* reclaim_pages do_try_to_free_pages"
        " try_to_free_* balance_pgdat kswapd",
    ),
    # Compressed pages stand for blocks of a (swap) device, under zram as under zswap.
    Rule("block", ASKER, "zs_malloc zs_* zbud_* z3fold_* zram_* zswap_* zcomp_*"),
    Rule(
        "other",
        ASKER,
        "compaction_alloc* isolate_freepages* migrate_pages* alloc_migration_target* new_page_node",
    ),
    Rule(
        "other",
        ASKER,
        "*hugetlb* alloc_fresh_huge_page* alloc_buddy_huge_page* alloc_surplus_huge_page",
    ),
    Rule("tmpfs/shmem", ASKER, "shmem_* __shmem_*"),
    Rule(
        "page cache",
        ASKER,
        "filemap_* __filemap_* page_cache_* __page_cache_* ractl_alloc_folio *_page_cache_ra"
        " *page_cache_readahead ondemand_readahead pagecache_get_page grab_cache_page* find_or_create_page"
        " do_read_cache_* __read_cache_page read_cache_* add_to_page_cache* generic_file_*read* grow_dev_page"
        " grow_buffers __getblk* bdev_getblk collapse_file *collapse_scan_file khugepaged_scan_file",
    ),
    # File systems that keep metadata in buffers of their own.
    Rule(
        "page cache",
        ASKER,
        "xfs_buf_* alloc_extent_buffer alloc_eb_folio_array btrfs_alloc_page_array btrfs_alloc_folio_array",
    ),
    Rule("bpf", ASKER, "bpf_* __bpf_* ringbuf_map_alloc arena_* array_map_* htab_map_* map_create __sys_bpf"),
    # The protocols are here by their prefix, as tcp_init() and others keep tables in pages of their own.
    Rule(
        "network",
        ASKER,
        "*skb_* *_skb *_skbs *page_frag* page_pool_* __page_pool_* *napi_* netdev_* __netdev_* net_rx_action"
        " sk_* sock_* __sock_* tcp_* udp_* inet_* inet6_* ip_* ip6_* ipv6_* netlink_* alloc_pg_vec packet_*"
        " nf_* xt_* p9_* unix_stream_* unix_dgram_* svc_* xprt_*",
    ),
    Rule(
        "block",
        ASKER,
        "bio_* __bio_* blk_* __blk_* blkdev_* submit_bio* __submit_bio* brd_* loop_* nvme_* scsi_* raid*"
        " md_* dm_* crypt_alloc_buffer",
    ),
    # A module that no row above knows is taken for a driver; the next row is for drivers that are built in.
    Rule("driver", MODULE, "*"),
    Rule(
        "driver",
        ASKER,
        "dma_* __dma_* dmam_* iommu_* swiotlb_* x86_swiotlb_* arch_dma_alloc drm_* ttm_* request_firmware*"
        " _request_firmware* fw_* vring_* virtqueue_* virtio_* snd_* usb_* hcd_buffer_alloc* pci_*"
        " acpi_* tty_* its_* gic_* kgsl_* ion_* kbase_* system_heap_* vb2_* videobuf* balloon_page_alloc* vmbus_*"
        " gnttab_* really_probe driver_probe_device __driver_probe_device platform_probe",
    ),
    # A fault handler known to no rule above is some device's or special mapping's: not anonymous memory.
    Rule("other", ASKER, "__do_fault special_mapping_fault"),
    Rule(
        "anon",
        ASKER,
        "do_anonymous_page alloc_anon_folio *_anon_folio* wp_page_copy do_wp_page do_cow_*"
        " folio_prealloc do_swap_page do_huge_pmd_* *do_huge_pmd_anonymous_page alloc_zeroed_user_highpage*"
        " collapse_* khugepaged* copy_page_range copy_*_range copy_present_page page_copy_prealloc"
        " unuse_* try_to_unuse *_sys_swapoff sys_swapoff mfill_* mcopy_* madvise_willneed swapin_walk_* ksm_*"
        " uprobe_* __replace_page",
    ),
    # Many builds inline all of these into the fault handler itself.
    Rule("anon", ASKER, "handle_pte_fault __handle_mm_fault handle_mm_fault __handle_speculative_fault"),
)
