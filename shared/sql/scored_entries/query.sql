-- Which stage entries of these leads have a score, by any model?
SELECT DISTINCT
  lead_id,
  stage_entered_at
FROM `scores.ledger`
WHERE lead_id IN UNNEST(@lead_ids)
  AND role = 'champion'
