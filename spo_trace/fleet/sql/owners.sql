-- The memory and swap of each owner on each machine, in bytes: the mean of the machine's chosen snapshots.
-- $keys, $columns, $known, $selected: see spo_trace/fleet/statements.py. A missing amount is unknown. It is hidden if the
-- machine tells it, but not for this key: each of its owners may have a part of what is in the row without key_known.
SELECT
    machine,
    $columns,
    key_known,
    CASE
        WHEN max(mem_number) = 0 THEN NULL
        WHEN count(mem) = 0 AND NOT bool_and(mem_by_key) THEN NULL
        ELSE CAST(round(coalesce(sum(mem), 0) / max(mem_number)) AS BIGINT)
    END AS mem_bytes,
    CASE
        WHEN max(swap_number) = 0 THEN NULL
        WHEN count(swap) = 0 AND NOT bool_and(swap_by_key) THEN NULL
        ELSE CAST(round(coalesce(sum(swap), 0) / max(swap_number)) AS BIGINT)
    END AS swap_bytes,
    CASE
        WHEN max(cache_number) = 0 THEN NULL
        WHEN count(mem) = 0 AND NOT bool_and(mem_by_key) THEN NULL
        ELSE CAST(round(coalesce(sum(swap_cache), 0) / max(cache_number)) AS BIGINT)
    END AS swap_cache_bytes,
    max(mem_number) > 0 AND count(mem) = 0 AND NOT bool_and(mem_by_key) AS mem_hidden,
    max(swap_number) > 0 AND count(swap) = 0 AND NOT bool_and(swap_by_key) AS swap_hidden
FROM (
    SELECT
        chosen.machine,
        chosen.mem_number,
        chosen.swap_number,
        chosen.cache_number,
        chosen.mem_by_key,
        chosen.swap_by_key,
        $keys,
        $known AS key_known,
        CASE WHEN chosen.mem_counts THEN cube.mem_pages * chosen.page_size END AS mem,
        CASE WHEN chosen.swap_counts THEN cube.swap_pages * chosen.page_size END AS swap,
        CASE WHEN chosen.cache_counts THEN cube.swap_cache_pages * chosen.page_size END AS swap_cache
    FROM cube
    JOIN chosen ON cube.snapshot = chosen.snapshot
    LEFT JOIN stacks ON cube.stack = stacks.id
    $selected
    WHERE (chosen.mem_counts AND cube.mem_pages IS NOT NULL)
        OR (chosen.swap_counts AND cube.swap_pages IS NOT NULL)
) AS facts
GROUP BY machine, $columns, key_known
