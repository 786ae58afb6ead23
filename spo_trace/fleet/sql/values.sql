-- The distinct values of the keys that a condition uses.
SELECT DISTINCT $keys
FROM cube
JOIN chosen ON cube.snapshot = chosen.snapshot
LEFT JOIN stacks ON cube.stack = stacks.id
