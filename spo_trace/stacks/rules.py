# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables that assign a category to an allocation stack.

Patterns are shell-style globs for function names without offsets, compiler suffixes and ``_noprof``. They cover Linux
3.19 to 7.x on x86 and arm64. A name that a kernel version does not have matches nothing there.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

__all__ = ["ALLOCATORS", "CATEGORIES", "RULES", "Rule", "Scope"]

# In the order of the legend of the HTML report; docs/glossary.md has the same descriptions.
CATEGORIES: Mapping[str, str] = {
    "anon": "anonymous memory of processes: heap, stack, private mappings, huge pages",
    "tmpfs/shmem": "files in tmpfs, shared memory, memfd",
    "page cache": "cached contents of files and metadata of file systems",
    "slab": "pages of the slab allocator, which holds small kernel objects of many callers; large kmalloc allocations",
    "page table": "page tables of processes, the kernel, virtual machines and IOMMUs",
    "kernel stack": "stacks that threads use in the kernel",
    "vmalloc": "virtually contiguous kernel memory from vmalloc()",
    "per-cpu": "variables that exist once for each processor",
    "network": "packet buffers, sockets and tables of network protocols",
    "pipe": "contents of pipes",
    "io_uring": "rings and buffers of io_uring",
    "block": "I/O to block devices, device mapper, RAID, and compressed swap (zram, zswap)",
    "driver": "memory of drivers: DMA buffers, graphics, virtio, and modules that match no other rule",
    "bpf": "BPF programs, maps and ring buffers, also in vmalloc memory",
    "tracing": "ring buffers and tables of ftrace and perf",
    "early boot": "memory allocated before page_owner started, whose stack is unknown",
    "other": "stacks that match no rule, memory for reclaim, compaction, hugetlb and memory maps, and lost owners",
}


class Scope(Enum):
    """Name the frames that a rule is matched against. Rules of scope ALLOCATOR take precedence over all others."""

    ALLOCATOR = "the frames of the allocator and its caller"
    ANY_FRAME = "any frame; the innermost frame that matches a rule decides"
    MODULE = "like ANY_FRAME, but matches the module's name in [brackets]"


class Rule(NamedTuple):
    """Assign a category to stacks with a matching frame; of rules that match the same frames, the first one wins.

    With `callee`, the frame must also have called one of these functions (with their suffix ``_noprof``). `caller`
    replaces the name of the caller.
    """

    category: str
    scope: Scope
    patterns: str
    callee: str = "*"
    caller: str = ""


# Functions of the allocators themselves. The caller is the innermost frame that is not one of them.
ALLOCATORS = """
    save_stack *set_page_owner* register_*_stack
    prep_new_page post_alloc_hook get_page_from_freelist rmqueue* split_page split_free_page split_map_pages
    alloc_page alloc_pages alloc_pages_* alloc_page_interleave try_alloc_pages
    __alloc_pages __alloc_pages_* __alloc_page alloc_frozen_pages* __alloc_frozen_pages*
    __get_free_page* get_free_page* get_zeroed_page* __get_dma_pages
    alloc_contig_* __alloc_contig_* cma_alloc*
    folio_alloc __folio_alloc folio_alloc_mpol* vma_alloc_folio vma_alloc_zeroed_movable_folio vma_alloc_anon_folio*
    filemap_alloc_folio __page_cache_alloc folio_prealloc
    alloc_slab_page new_slab allocate_slab new_slab_objects __slab_alloc ___slab_alloc slab_alloc*
    __slab_alloc_node alloc_slab_obj_exts alloc_from_pcs* __pcs_* refill_sheaf* refill_objects __refill_objects*
    alloc_*sheaf* __*sheaf* kmem_cache_*sheaf* _kmalloc_nolock*
    cache_grow* cache_alloc* ____cache_alloc* kmem_getpages fallback_alloc alternate_node_alloc __do_cache_alloc
    kmem_cache_*alloc* __kmem_cache_alloc* kmalloc* __kmalloc* ___kmalloc* __do_kmalloc* kzalloc* kcalloc
    kvmalloc* __kvmalloc* kvzalloc* kvcalloc* krealloc* __krealloc* __do_krealloc kvrealloc* devm_k*alloc*
    kstrdup* kstrndup kmemdup* kvmemdup kvasprintf* kasprintf memdup_user* vmemdup_user strndup_user mempool_*
    __vmalloc* vmalloc vmalloc_* vzalloc* vcalloc* vmap vm_area_alloc_pages alloc_vmap_area __get_vm_area_node
    __vmap_pages_range* vmap_pages_range* vmap_small_pages_range* alloc_large_system_hash
    module_alloc execmem_* __execmem_* __bpf_map_area_alloc bpf_map_area_alloc bpf_map_area_mmapable_alloc
    radix_tree_* __radix_tree_* idr_* ida_* xa_* __xa_* xas_* __xas_* mas_* mtree_*
    rhashtable_* __rhashtable_* bucket_table_alloc bitmap_alloc* bitmap_zalloc*
    alloc_inode new_inode new_inode_pseudo iget_locked iget5_locked* sk_alloc sk_prot_alloc
    io_pages_map alloc_cpu_data
    page_frag_alloc* __page_frag_alloc* __alloc_page_frag __alloc_page_frag_* page_frag_cache_* __page_frag_cache_*
    __page_frag_refill skb_page_frag_refill* sk_page_frag_refill netdev_alloc_frag* __netdev_alloc_frag*
    napi_alloc_frag* __napi_alloc_frag* alloc_skb* __alloc_skb __alloc_rx_skb netdev_alloc_skb*
    __netdev_alloc_skb* napi_alloc_skb __napi_alloc_skb dev_alloc_skb __dev_alloc_skb dev_alloc_page*
    __dev_alloc_page* __skb_alloc_page* napi_get_frags napi_skb_cache_get* build_skb* __build_skb* slab_build_skb
    napi_build_skb __napi_build_skb sock_alloc_send_skb sock_alloc_send_pskb sock_wmalloc sock_omalloc sock_kmalloc
    page_pool_* __page_pool_*
"""

ALLOCATOR, ANY_FRAME, MODULE = Scope.ALLOCATOR, Scope.ANY_FRAME, Scope.MODULE

RULES: tuple[Rule, ...] = (
    # A slab page holds objects of many callers, so the caller that allocated the first one does not decide.
    # Large kmalloc allocations have their own pages; they count as slab, as in /proc/meminfo.
    Rule(
        "slab",
        ALLOCATOR,
        "alloc_slab_page new_slab allocate_slab ___slab_alloc cache_grow* cache_alloc_refill kmem_getpages"
        " kmem_cache_*alloc* __kmem_cache_alloc* kmalloc* __kmalloc* ___kmalloc*",
    ),
    Rule(
        "page table",
        ALLOCATOR,
        "*pte_alloc* *pmd_alloc* *pud_alloc* *p4d_alloc* *pgd_alloc* pgd_ctor get_pgd_slow alloc_new_pud"
        " pgtable_alloc* pagetable_alloc* page_table_alloc* *_pgtable_alloc* alloc_low_pages spp_getpage"
        " phys_*_init copy_huge_pmd *pte_fragment_alloc* *pmd_fragment_alloc* crst_table_alloc* alloc_pgtable_page"
        " kvm_mmu_topup_memory_cache __kvm_mmu_topup_memory_cache mmu_topup_memory_cache*"
        " mmu_memory_cache_alloc_obj tdp_mmu_alloc_sp* iommu_alloc_page* __arm_lpae_alloc_pages",
    ),
    # Except on x86, pte_alloc_one() is inline (asm-generic/pgalloc.h), so stacks show its caller instead. The same
    # functions allocate the pages of processes by vma_alloc_folio() or __folio_alloc(), never by alloc_pages() or, if
    # that is inline or a tail call, by what it calls. __alloc_pages() and alloc_page_interleave() are not listed,
    # because before 5.19 tail calls may hide alloc_pages_vma().
    Rule(
        "page table",
        ALLOCATOR,
        "*handle_mm_fault handle_pte_fault do_fault do_fault_around do_*_fault __do_fault finish_fault",
        callee="__alloc_pages_noprof alloc_pages alloc_pages_noprof alloc_pages_current alloc_pages_mpol*"
        " __get_free_page* get_free_page* get_zeroed_page*",
    ),
    # Up to 6.9, the huge zero page may come from alloc_pages(), too.
    Rule("page table", ALLOCATOR, "do_huge_pmd_anonymous_page", callee="__alloc_pages_noprof alloc_pages_*noprof"),
    # This rule precedes that of vmalloc, because kernel stacks are allocated with vmalloc since ba14a194a434, 4.9
    # (CONFIG_VMAP_STACK). Compilers often inline their allocator into copy_process().
    Rule(
        "kernel stack",
        ALLOCATOR,
        "alloc_thread_stack_node alloc_thread_info_node dup_task_struct copy_process fork_idle"
        " scs_alloc _scs_alloc __scs_alloc",
    ),
    Rule("bpf", ALLOCATOR, "bpf_* __bpf_*"),
    Rule("vmalloc", ALLOCATOR, "__vmalloc* vmalloc vmalloc_* vzalloc* vm_area_alloc_pages"),
    Rule("per-cpu", ALLOCATOR, "pcpu_*"),
    # page_owner could not record the stack (it was recording already, or the stack depot was full).
    Rule("other", ALLOCATOR, "register_dummy_stack register_failure_stack", caller="owner lost"),
    # Kernels without register_early_stack() record the stack of page_owner's own initialization.
    Rule("early boot", ALLOCATOR, "register_early_stack page_ext_init init_page_owner init_early_allocated_pages"),
    # Memory that bookkeeping, reclaim or compaction allocates does not belong to the task in which they run.
    Rule("other", ANY_FRAME, "stack_depot_* __stack_depot_* kasan_* kmsan_* kfence_* kmemleak_*"),
    Rule(
        "other",
        ANY_FRAME,
        "swap_cluster_alloc_table swap_table_alloc add_swap_count_continuation folio_alloc_swap add_to_swap"
        " get_swap_page* swap_writeout swap_writepage* shmem_writeout shmem_writepage shrink_folio_list"
        " shrink_page_list shrink_*lruvec shrink_node* shrink_slab* reclaim_pages do_try_to_free_pages"
        " try_to_free_* balance_pgdat kswapd",
    ),
    # The memory map of hot-added memory does not belong to the driver that found the memory.
    Rule("other", ANY_FRAME, "vmemmap_* sparse_add_section section_activate alloc_page_ext online_page_ext"),
    # Both zram and zswap store compressed pages in place of blocks of a (swap) device.
    Rule("block", ANY_FRAME, "zs_malloc zs_* zbud_* z3fold_* zram_* zswap_* zcomp_*"),
    Rule(
        "other",
        ANY_FRAME,
        "compaction_alloc* isolate_freepages* migrate_pages* alloc_migration_target* new_page_node",
    ),
    Rule(
        "other",
        ANY_FRAME,
        "*hugetlb* alloc_fresh_huge_page* alloc_buddy_huge_page* alloc_surplus_huge_page",
    ),
    Rule("tmpfs/shmem", ANY_FRAME, "shmem_* __shmem_*"),
    Rule(
        "page cache",
        ANY_FRAME,
        "filemap_* __filemap_* page_cache_* __page_cache_* ractl_alloc_folio *_page_cache_ra"
        " *page_cache_readahead ondemand_readahead pagecache_get_page grab_cache_page* find_or_create_page"
        " do_read_cache_* __read_cache_page read_cache_* add_to_page_cache* generic_file_*read* grow_dev_page"
        " grow_buffers __getblk* bdev_getblk collapse_file *collapse_scan_file khugepaged_scan_file",
    ),
    # File systems with their own buffers for metadata.
    Rule(
        "page cache",
        ANY_FRAME,
        "xfs_buf_* alloc_extent_buffer alloc_eb_folio_array btrfs_alloc_page_array btrfs_alloc_folio_array",
    ),
    Rule("bpf", ANY_FRAME, "bpf_* __bpf_* ringbuf_map_alloc arena_* array_map_* htab_map_* map_create __sys_bpf"),
    Rule(
        "pipe",
        ANY_FRAME,
        "anon_pipe_* pipe_write alloc_pipe_info pipe_resize_ring copy_splice_read default_file_splice_read",
    ),
    Rule(
        "io_uring",
        ANY_FRAME,
        "io_uring_* __io_uring_* io_mem_alloc* io_pages_map io_create_region* io_region_* io_register_* io_allocate_*"
        " io_alloc_* io_add_buffers io_provide_buffers* io_sqe_* io_zcrx_* io_ring_*",
    ),
    Rule(
        "tracing",
        ANY_FRAME,
        "__rb_allocate_pages rb_allocate_* ring_buffer_* __ring_buffer_* alloc_cpu_data trace_* tracing_* ftrace_*"
        " perf_* rb_alloc*",
    ),
    # All functions of a protocol, not only its skb allocations: tcp_init() and others allocate tables.
    Rule(
        "network",
        ANY_FRAME,
        "*skb_* *_skb *_skbs *page_frag* page_pool_* __page_pool_* *napi_* netdev_* __netdev_* net_rx_action"
        " sk_* sock_* __sock_* tcp_* udp_* inet_* inet6_* ip_* ip6_* ipv6_* netlink_* alloc_pg_vec packet_*"
        " nf_* xt_* p9_* unix_stream_* unix_dgram_* svc_* xprt_*",
    ),
    Rule(
        "block",
        ANY_FRAME,
        "bio_* __bio_* blk_* __blk_* blkdev_* submit_bio* __submit_bio* brd_* loop_* nvme_* scsi_* raid*"
        " md_* dm_* crypt_alloc_buffer",
    ),
    # Modules that match no rule above count as drivers. The next rule covers built-in drivers.
    Rule("driver", MODULE, "*"),
    Rule(
        "driver",
        ANY_FRAME,
        "dma_* __dma_* dmam_* iommu_* swiotlb_* x86_swiotlb_* arch_dma_alloc drm_* ttm_* request_firmware*"
        " _request_firmware* fw_* vring_* virtqueue_* virtio_* snd_* usb_* hcd_buffer_alloc* pci_*"
        " acpi_* tty_* its_* gic_* kgsl_* ion_* kbase_* system_heap_* vb2_* videobuf* balloon_page_alloc* vmbus_*"
        " gnttab_* really_probe driver_probe_device __driver_probe_device platform_probe",
    ),
    # Fault handlers that match no rule above belong to devices or special mappings, not to anonymous memory.
    Rule("other", ANY_FRAME, "__do_fault special_mapping_fault"),
    Rule(
        "anon",
        ANY_FRAME,
        "do_anonymous_page alloc_anon_folio *_anon_folio* wp_page_copy do_wp_page do_cow_*"
        " folio_prealloc do_swap_page do_huge_pmd_* *do_huge_pmd_anonymous_page alloc_zeroed_user_highpage*"
        " collapse_* khugepaged* copy_page_range copy_*_range copy_present_page page_copy_prealloc"
        " unuse_* try_to_unuse *_sys_swapoff sys_swapoff mfill_* mcopy_* madvise_willneed swapin_walk_* ksm_*"
        " uprobe_* __replace_page",
    ),
    # Many builds inline all functions of the previous rule into the fault handler.
    Rule("anon", ANY_FRAME, "handle_pte_fault __handle_mm_fault handle_mm_fault __handle_speculative_fault"),
)
