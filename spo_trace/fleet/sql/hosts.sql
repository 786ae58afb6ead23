-- The total of each owner on each machine, for statistics over the machines.
WITH owners AS (
$owners
)
SELECT
    machine,
    $columns,
    key_known,
    coalesce(mem_bytes, 0) + coalesce(swap_bytes, 0) - coalesce(swap_cache_bytes, 0) AS total_bytes
FROM owners
