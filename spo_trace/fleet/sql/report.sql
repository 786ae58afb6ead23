-- The sums over all machines.
WITH owners AS (
$owners
)
SELECT
    $columns,
    key_known,
    count(*) AS hosts,
    CASE WHEN NOT bool_or(mem_hidden) THEN CAST(sum(mem_bytes) AS BIGINT) END AS mem_bytes,
    CASE WHEN NOT bool_or(swap_hidden) THEN CAST(sum(swap_bytes) AS BIGINT) END AS swap_bytes,
    CASE WHEN NOT bool_or(mem_hidden) THEN CAST(sum(swap_cache_bytes) AS BIGINT) END AS swap_cache_bytes,
    CAST(sum(coalesce(mem_bytes, 0) + coalesce(swap_bytes, 0) - coalesce(swap_cache_bytes, 0)) AS BIGINT) AS total_bytes
FROM owners
GROUP BY $columns, key_known
