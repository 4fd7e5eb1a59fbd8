-- Everything Salesforce was told about a lead, newest first.
SELECT
  run_id,
  attempted_at,
  status,
  model_version,
  as_of,
  written,
  previous,
  error_code,
  error_message
FROM `scores.sync_receipts`
WHERE lead_id = @lead_id
ORDER BY attempted_at DESC
