-- Stage entries that champion and challenger scored as of the same instant, at the latest such instant.
SELECT
  champion.lead_id,
  champion.margin AS champion_margin,
  champion.band AS champion_band,
  challenger.margin AS challenger_margin,
  challenger.band AS challenger_band
FROM `scores.ledger` AS champion
JOIN `scores.ledger` AS challenger
  ON challenger.lead_id = champion.lead_id
  AND challenger.stage_entered_at = champion.stage_entered_at
  AND challenger.as_of = champion.as_of
WHERE champion.role = 'champion'
  AND champion.model_version = @champion
  AND challenger.role = 'challenger'
  AND challenger.model_version = @challenger
  AND champion.as_of >= @since
QUALIFY ROW_NUMBER() OVER (
  PARTITION BY champion.lead_id, champion.stage_entered_at
  ORDER BY champion.as_of DESC
) = 1
