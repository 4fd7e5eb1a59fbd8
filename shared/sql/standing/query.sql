-- The score each lead should show, beside what Salesforce was last told and answered.
WITH
latest AS (
  SELECT
    lead_id,
    model_version,
    as_of,
    scored_at,
    margin,
    probability,
    percentile,
    score,
    band,
    action,
    reasons
  FROM `scores.ledger`
  WHERE lead_id IN UNNEST(@lead_ids)
    AND role = 'champion'
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY lead_id
    ORDER BY stage_entered_at DESC, as_of DESC, scored_at DESC
  ) = 1
),
told AS (
  SELECT
    lead_id,
    status,
    attempted_at,
    written
  FROM `scores.sync_receipts`
  WHERE lead_id IN UNNEST(@lead_ids)
    AND status IN ('written', 'cleared', 'reverted', 'skipped')
  QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY attempted_at DESC) = 1
),
taken AS (
  SELECT
    lead_id,
    written
  FROM `scores.sync_receipts`
  WHERE lead_id IN UNNEST(@lead_ids)
    AND status IN ('written', 'cleared', 'reverted')
  QUALIFY ROW_NUMBER() OVER (PARTITION BY lead_id ORDER BY attempted_at DESC) = 1
)
SELECT
  latest.lead_id,
  latest.model_version,
  latest.as_of,
  latest.scored_at,
  latest.margin,
  latest.probability,
  latest.percentile,
  latest.score,
  latest.band,
  latest.action,
  latest.reasons,
  told.status AS last_status,
  told.attempted_at AS last_at,
  told.written AS last_sent,
  taken.written AS shown
FROM latest
LEFT JOIN told
  ON told.lead_id = latest.lead_id
LEFT JOIN taken
  ON taken.lead_id = latest.lead_id
