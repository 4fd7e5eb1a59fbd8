-- A planned run, and how many of its pages are done. No row before the plan is complete.
SELECT
  runs.as_of,
  runs.pages AS planned,
  COUNT(pages.page) AS done
FROM `monitoring.batch_runs` AS runs
LEFT JOIN `monitoring.batch_pages` AS pages
  ON pages.run_id = runs.run_id
WHERE runs.run_id = @run_id
GROUP BY runs.as_of, runs.pages
