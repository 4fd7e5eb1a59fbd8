-- The prospects of one run, best first.
SELECT
  crd,
  score,
  probability,
  percentile,
  band,
  reasons
FROM `scores.prospects`
WHERE model_version = @model_version
  AND as_of = @as_of
ORDER BY margin DESC, crd
