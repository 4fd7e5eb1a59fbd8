-- The latest runs of the sync, newest first, with what became of their records.
SELECT
  run_id,
  MIN(attempted_at) AS started_at,
  COUNTIF(status = 'written') AS written,
  COUNTIF(status = 'cleared') AS cleared,
  COUNTIF(status = 'reverted') AS reverted,
  COUNTIF(status = 'skipped') AS skipped,
  COUNTIF(status = 'failed') AS failed
FROM `scores.sync_receipts`
GROUP BY run_id
ORDER BY started_at DESC, run_id
LIMIT @limit
