SELECT
  *
FROM `scores.ledger`
WHERE role = 'champion'
  AND scored_at <= moment
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY lead_id
  ORDER BY stage_entered_at DESC, as_of DESC, scored_at DESC
) = 1
