-- Scores given on each day (UTC), by model, role and band.
SELECT
  DATE(scored_at) AS day,
  model_version,
  role,
  origin,
  band,
  COUNT(*) AS scores,
  AVG(probability) AS mean_probability,
  AVG(percentile) AS mean_percentile
FROM `scores.ledger`
GROUP BY
  day,
  model_version,
  role,
  origin,
  band
