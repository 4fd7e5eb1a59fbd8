-- Every score of a lead beside the vector it was made from, newest first.
SELECT
  scores.lead_id,
  scores.stage_entered_at,
  scores.model_version,
  scores.as_of,
  scores.scored_at,
  scores.role,
  scores.origin,
  scores.event_id,
  scores.margin,
  scores.probability,
  scores.percentile,
  scores.score,
  scores.band,
  scores.action,
  scores.reasons,
  scores.feature_hash,
  vectors.features
FROM `scores.ledger` AS scores
LEFT JOIN `scores.feature_log` AS vectors
  ON vectors.lead_id = scores.lead_id
  AND vectors.stage_entered_at = scores.stage_entered_at
  AND vectors.model_version = scores.model_version
  AND vectors.as_of = scores.as_of
WHERE scores.lead_id = @lead_id
ORDER BY scores.stage_entered_at DESC, scores.as_of DESC, scores.scored_at DESC
