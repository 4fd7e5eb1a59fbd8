-- The latest runs: as planned, as done, and whether the scores had moved.
WITH
done AS (
  SELECT
    run_id,
    COUNT(*) AS pages_done,
    SUM(scored) AS scored,
    SUM(not_scored) AS not_scored,
    STRING_AGG(reasons, '\n') AS reasons,
    SUM(seconds) AS seconds,
    MAX(scored_at) AS last_page_at
  FROM `monitoring.batch_pages`
  GROUP BY run_id
)
SELECT
  runs.run_id,
  runs.planned_at,
  runs.as_of,
  runs.model_version,
  runs.open,
  runs.to_score,
  runs.pages,
  COALESCE(done.pages_done, 0) AS pages_done,
  COALESCE(done.scored, 0) AS scored,
  COALESCE(done.not_scored, 0) AS not_scored,
  COALESCE(done.reasons, '') AS reasons,
  COALESCE(done.seconds, 0.0) AS seconds,
  done.last_page_at,
  drift.n AS drift_n,
  drift.psi,
  drift.critical,
  drift.beyond_chance,
  drift.mean_probability
FROM `monitoring.batch_runs` AS runs
LEFT JOIN done
  ON done.run_id = runs.run_id
LEFT JOIN `monitoring.score_drift` AS drift
  ON drift.run_id = runs.run_id
ORDER BY runs.planned_at DESC
LIMIT 30
