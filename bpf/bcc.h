/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * swap_owner.c for bcc
 *
 * The loader puts this in front of the program, and appends HOOK(function, program) for each
 * function that it chose. It defines MAX_ENTRIES, MAX_RESTORED and, on kernels with BTF, FENTRY;
 * without FENTRY, it attaches kprobes.
 */
#include <uapi/linux/ptrace.h>

#define BCC
#define SEC(name)

#define TYPE_HASH "hash"
#define TYPE_ARRAY "array"
#define TYPE_PERCPU_ARRAY "percpu_array"
#define TYPE_STACK_TRACE "stacktrace"
#define TYPE_LRU_HASH "lru_hash"

#define MAP(type, key, value, name, size, flags) \
	BPF_F_TABLE(TYPE_##type, key, value, name, size, flags)

/*
 * The verifier needs a constant bound and, in Linux 6.1, the backward jump at the end of the loop.
 * Without the barrier, clang moves the last block of the loop in front of the first.
 */
#define FOR_PAGE static __always_inline
#define FOR_EACH_PAGE(nr, function, context) \
	do { \
		u32 i; \
		_Pragma("clang loop unroll(disable)") \
		for (i = 0; i < MAX_PAGES && i < (nr) && \
		     ({ asm volatile("" : "+r"(i) : : "memory"); 1; }); i++) \
			function(i, context); \
	} while (0)

#define PROGRAM(name, body) static __always_inline int run_##name(CONTEXT *ctx) { return body; }

#ifdef FENTRY
#define CONTEXT unsigned long long
/* Expands to a program named kfunc__FUNCTION, or kfunc__vmlinux__FUNCTION since bcc 0.28. */
#define HOOK(function, program) KFUNC_PROBE(function) { return run_##program(ctx); }
/* Read as numbers: the verifier treats arguments as pointers and allows no arithmetic on them. */
#define FIRST read_u64((u64)&ctx[0])
#define SECOND read_u64((u64)&ctx[1])
#define THIRD read_u64((u64)&ctx[2])
#else
#define CONTEXT struct pt_regs
/* A kprobe that the loader attaches. */
#define HOOK(function, program) int on_##function(CONTEXT *ctx) { return run_##program(ctx); }
#define FIRST PT_REGS_PARM1(ctx)
#define SECOND PT_REGS_PARM2(ctx)
#define THIRD PT_REGS_PARM3(ctx)
#endif
