-- The memory and swap of each owner on each machine, in bytes: the mean of the machine's chosen snapshots.
-- $keys, $columns, $known, $selected: see spo_trace/fleet/statements.py. A missing amount is unknown. It is hidden if the
-- machine tells it, but not for this key: each of its owners may have a part of what is in the row without key_known.
SELECT
    sums.machine,
    $columns,
    key_known,
    CASE
        WHEN mem_number = 0 OR (mem IS NULL AND NOT mem_by_key) THEN NULL
        ELSE CAST(round(coalesce(mem, 0) / mem_number) AS BIGINT)
    END AS mem_bytes,
    CASE
        WHEN swap_number = 0 OR (swap IS NULL AND NOT swap_by_key) THEN NULL
        ELSE CAST(round(coalesce(swap, 0) / swap_number) AS BIGINT)
    END AS swap_bytes,
    CASE
        WHEN cache_number = 0 OR (mem IS NULL AND NOT mem_by_key) THEN NULL
        ELSE CAST(round(coalesce(swap_cache, 0) / cache_number) AS BIGINT)
    END AS swap_cache_bytes,
    mem_number > 0 AND mem IS NULL AND NOT mem_by_key AS mem_hidden,
    swap_number > 0 AND swap IS NULL AND NOT swap_by_key AS swap_hidden
FROM (
    SELECT machine, $columns, key_known, sum(mem) AS mem, sum(swap) AS swap, sum(swap_cache) AS swap_cache
    FROM (
        SELECT
            chosen.machine,
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
) AS sums
JOIN (
    -- All snapshots of a machine have the same numbers.
    SELECT
        machine,
        max(mem_number) AS mem_number,
        max(swap_number) AS swap_number,
        max(cache_number) AS cache_number,
        bool_and(mem_by_key) AS mem_by_key,
        bool_and(swap_by_key) AS swap_by_key
    FROM chosen
    GROUP BY machine
) AS machines ON sums.machine = machines.machine
