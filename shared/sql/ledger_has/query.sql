-- Has this stage entry of the lead been scored by this champion, by the event path or by a batch?
SELECT
  COUNT(*) AS scored
FROM `scores.ledger`
WHERE lead_id = @lead_id
  AND stage_entered_at = @stage_entered_at
  AND model_version = @model_version
  AND role = 'champion'
