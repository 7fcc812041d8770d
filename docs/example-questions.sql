-- How many sessions ended in which state, by week
SELECT toStartOfWeek(created_at, 1) AS week, state, count() AS sessions
FROM sessions
GROUP BY week, state
ORDER BY week DESC, sessions DESC
LIMIT 100;

-- Which commands fail most, and how
SELECT command, outcome, exit_code, count() AS failures, max(ended_at) AS last
FROM commands
WHERE state = 'ended' AND (outcome != 'exited' OR exit_code != 0)
GROUP BY command, outcome, exit_code
ORDER BY failures DESC, command
LIMIT 20;

-- What each model has cost
SELECT model, count() AS calls, sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out, round(sum(cost_usd), 4) AS usd
FROM events
WHERE type = 'usage'
GROUP BY model
ORDER BY usd DESC, calls DESC;

-- What an agent read in the ten minutes before a command failed
SELECT c.session_id, c.command, r.path, r.time AS read_at
FROM commands AS c
JOIN (SELECT session_id, path, time FROM events WHERE type = 'file.read') AS r ON r.session_id = c.session_id
WHERE c.exit_code != 0 AND r.time BETWEEN c.ended_at - INTERVAL 10 MINUTE AND c.ended_at
ORDER BY c.ended_at DESC, r.time DESC
LIMIT 50;

-- The slowest commands, and how much slower than usual
SELECT command, count() AS runs, round(quantile(0.5)(duration_ms)) AS median_ms, max(duration_ms) AS slowest_ms
FROM commands
WHERE duration_ms IS NOT NULL
GROUP BY command
ORDER BY slowest_ms DESC, command
LIMIT 20;
