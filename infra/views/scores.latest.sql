-- The champion's latest score of each lead: what Salesforce is meant to show.
SELECT
  *
FROM `scores.ledger`
WHERE role = 'champion'
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY lead_id
  ORDER BY stage_entered_at DESC, as_of DESC, scored_at DESC
) = 1
