-- What a run changed, record by record, and the run that changed the same record last.
WITH
mine AS (
  SELECT
    lead_id,
    attempted_at,
    model_version,
    as_of,
    written,
    previous
  FROM `scores.sync_receipts`
  WHERE run_id = @run_id
    AND status IN ('written', 'cleared', 'reverted')
  QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY attempted_at DESC) = 1
),
latest AS (
  SELECT
    lead_id,
    run_id,
    attempted_at
  FROM `scores.sync_receipts`
  WHERE lead_id IN (SELECT mine.lead_id FROM mine)
    AND status IN ('written', 'cleared', 'reverted')
  QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY attempted_at DESC) = 1
)
SELECT
  mine.lead_id,
  mine.model_version,
  mine.as_of,
  mine.written,
  mine.previous,
  IF(latest.run_id = @run_id, NULL, latest.run_id) AS later_run
FROM mine
JOIN latest
  ON latest.lead_id = mine.lead_id
ORDER BY mine.lead_id
