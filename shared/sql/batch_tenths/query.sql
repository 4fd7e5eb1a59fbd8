-- The champion's scores of one run, by tenth of its frozen reference.
SELECT
  CAST(LEAST(FLOOR(percentile / 10), 9) AS INT64) AS tenth,
  COUNT(*) AS n,
  SUM(probability) AS probability
FROM `scores.ledger`
WHERE event_id = @run_id
  AND model_version = @model_version
  AND role = 'champion'
GROUP BY tenth
