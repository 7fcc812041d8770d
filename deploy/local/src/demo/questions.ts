/** Three questions over the recorded events, as anyone with a key can ask them by `POST /v1/query`. */
export interface Question {
  title: string;
  sql: string;
}

export function questionsAbout(sessionIds: string[]): Question[] {
  const these = `session_id IN (${sessionIds.map((id) => `'${id}'`).join(', ')})`;
  return [
    {
      title: 'What did each approach cost the machine?',
      sql: `SELECT s.title AS approach, count() AS commands, round(sum(c.user_cpu_micros + c.system_cpu_micros) / 1000) AS cpu_ms,
       max(c.max_rss_kilobytes) AS peak_kb, sum(c.stdout_bytes + c.stderr_bytes) AS output_bytes
FROM commands AS c JOIN sessions AS s ON s.session_id = c.session_id
WHERE c.${these} GROUP BY approach ORDER BY approach`,
    },
    {
      title: 'Where did the time go?',
      sql: `SELECT substring(splitByChar('\\n', assumeNotNull(command))[1], 1, 48) AS command, exit_code,
       dateDiff('millisecond', started_at, ended_at) AS ms
FROM commands WHERE ${these} ORDER BY ms DESC LIMIT 3`,
    },
    {
      title: 'What was recorded?',
      sql: `SELECT type, count() AS events FROM events WHERE ${these} GROUP BY type ORDER BY events DESC, type LIMIT 6`,
    },
  ];
}
