SELECT step, phase, os, count(*) AS people
FROM sign_up_events
WHERE occurred_at > $1
GROUP BY step, phase, os
