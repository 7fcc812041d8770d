// The views that tenants' SQL reads, over one organization's rows: what each column is, where it comes from, what it means.
//
// One list for all that tells of them: the statement's own definitions, the tables that ClickHouse's clients are shown (endpoint/), and
// docs/clickhouse.md. Names are snake_case; a row is of one thing; a name that is not known is an empty string, a number or time that is
// not known is NULL. A type is what ClickHouse computes for the expression: a test compares them.

import { quoteString } from '../clickhouse/sql-text.ts';

export interface ViewColumn {
  readonly name: string;
  readonly type: string;
  readonly expression: string;
  readonly comment: string;
}

export interface View {
  readonly name: string;
  readonly comment: string;
  readonly table: string;
  /** Of the table's rows, beside the organization. */
  readonly where?: string;
  /** Between the table and WHERE. */
  readonly join?: string;
  readonly groupBy?: string;
  readonly columns: readonly ViewColumn[];
}

const name = 'LowCardinality(String)';
const moment = "DateTime64(3, 'UTC')";
const optional = (type: string) => `Nullable(${type})`;

/** @param expression the table's own column, where it is not given */
function column(columnName: string, type: string, comment: string, expression = `\`${columnName}\``): ViewColumn {
  return { name: columnName, type, expression, comment };
}

/** Of rows that are laid together: the one value that they have. The cast takes away that the table says how they are laid together. */
function merged(columnName: string, type: string, comment: string): ViewColumn {
  return column(columnName, type, comment, `CAST(max(t.\`${columnName}\`), ${quoteString(type)})`);
}

const projectId = column('project_id', name, 'The project (prj_…).');
const sessionId = column('session_id', 'String', 'The session (ses_…).');
const taskId = column('task_id', name, 'The task whose session it is (tsk_…); empty where it is of none.');
const ofSession = [
  taskId,
  column('trial_id', name, 'The trial whose session it is (tri_…); empty where it is of none.'),
];

const events: View = {
  name: 'events',
  comment: 'Every event of every session, as it was published. Order within a session: epoch, sequence, fill.',
  table: 'events_v1',
  columns: [
    projectId,
    ...ofSession,
    sessionId,
    column('epoch', 'UInt64', 'Incarnation of the stream that carried it.'),
    column('sequence', 'UInt64', 'Place in that stream.'),
    column('fill', 'UInt64', 'Place of what stands where events were missing; 0 for all others.'),
    column('event_id', 'String', 'Its id (evt_…).'),
    column('producer', 'String', 'What issued it: "session", or the id of a command, a proposal, ….'),
    column('number', 'UInt64', 'Its number there, contiguous from 1.'),
    column('type', name, 'Its type, as command.ended.'),
    column('time', moment, 'When it happened.'),
    column('turn_id', 'String', 'The turn of an agent that it belongs to; empty where to none.'),
    column('command_id', 'String', 'The command that it belongs to; empty where to none.'),
    column('actor_kind', name, 'user, agent or system.'),
    column('actor_id', name, 'Who did it.'),
    column('generation', 'UInt32', 'Which placement of the session issued it.'),
    column('data', 'String', "What the API calls the event's data: JSON. For example JSONExtractString(data, 'path')."),
    column('outcome', name, 'How it ended: of commands, turns, tools, checks, permissions and updates.'),
    column('exit_code', optional('Int32'), 'Of command.ended and proposal.checked.'),
    column('duration_ms', optional('UInt64'), 'Of command.ended.'),
    column('bytes', 'UInt64', 'Of output its size, of command.ended all its output, of file.read what was read.'),
    column('input_tokens', 'UInt64', 'Of usage alone, so that any sum is right.'),
    column('output_tokens', 'UInt64', 'The same.'),
    column('cached_input_tokens', 'UInt64', 'The same; a part of input_tokens.'),
    column('cost_usd', 'Float64', 'The same.'),
    column('model', name, 'The model of a usage, or of an answer.'),
    column('tool', name, 'Of tool.started.'),
    column('path', 'String', 'The file of file.read, and of files.changed where it was one alone.'),
    column('file_status', name, 'What happened to it: added, modified, deleted, renamed, mode_changed.'),
    column('additions', 'UInt64', 'Lines, of files.changed.'),
    column('deletions', 'UInt64', 'Lines, of files.changed.'),
    column('text', 'String', 'Of messages and reasoning what was said, of command.queued the command.'),
    column('stream', name, 'Of command.output: stdout or stderr.'),
    column('offset', 'UInt64', 'Of command.output: place in its stream.'),
    column('position', 'UInt64', 'Of command.output: place in all output of the command.'),
    column('size', 'UInt32', 'Of command.output: bytes.'),
  ],
};

const commands: View = {
  name: 'commands',
  comment: 'One row for each command.',
  table: 'commands_v1',
  groupBy: 'session_id, command_id',
  columns: [
    merged('project_id', 'String', 'The project.'),
    sessionId,
    column('command_id', 'String', 'Its id (cmd_…).'),
    merged('command', optional('String'), 'What was run.'),
    merged('cwd', optional('String'), 'Where.'),
    merged('origin', optional('String'), 'Who asked: user, setup, agent, trial, verify.'),
    column('background', 'UInt8', '1: the session did not wait for it.', 'ifNull(max(t.background), 0)'),
    merged('timeout_seconds', optional('UInt32'), 'How long it was given.'),
    merged('queued_at', optional(moment), 'When it was asked for.'),
    merged('started_at', optional(moment), 'When its process was started.'),
    merged('ended_at', optional(moment), 'When that ended.'),
    column(
      'state',
      'String',
      'queued, running or ended.',
      "multiIf(max(t.ended_at) IS NOT NULL, 'ended', max(t.started_at) IS NOT NULL, 'running', 'queued')",
    ),
    column(
      'duration_ms',
      optional('Int64'),
      'How long it ran.',
      "dateDiff('millisecond', max(t.started_at), max(t.ended_at))",
    ),
    merged('outcome', optional('String'), 'exited, signaled, timed_out, canceled, oom_killed, output_limit, ….'),
    merged('reason', optional('String'), 'Why, where there is more to say.'),
    merged('exit_code', optional('Int32'), 'Of one that exited.'),
    merged('signal', optional('String'), 'Of one that was signaled.'),
    merged('stdout_bytes', optional('UInt64'), 'How much it wrote.'),
    merged('stderr_bytes', optional('UInt64'), 'How much it wrote.'),
    merged('user_cpu_micros', optional('UInt64'), 'Processor time.'),
    merged('system_cpu_micros', optional('UInt64'), 'Processor time in the kernel.'),
    merged('max_rss_kilobytes', optional('UInt64'), 'Most memory that it had.'),
  ],
};

const sessions: View = {
  name: 'sessions',
  comment: 'One row for each session.',
  table: 'sessions_v1',
  groupBy: 'session_id',
  columns: [
    merged('project_id', 'String', 'The project.'),
    sessionId,
    merged('task_id', 'String', 'Its task; empty where it has none.'),
    merged('trial_id', 'String', 'Its trial; empty where it has none.'),
    merged('title', 'String', 'Its title.'),
    merged('branch', 'String', 'The branch that it works on.'),
    merged('base_ref', 'String', 'What that began from.'),
    column(
      'state',
      'String',
      'creating, ready, busy, hibernating, hibernated, resuming, failed, archived.',
      'tupleElement(max(t.state), 3)',
    ),
    merged('failure_code', 'String', 'Why it failed; empty where it did not.'),
    merged('created_at', optional(moment), 'When it was created.'),
    merged('last_event_at', optional(moment), 'When it last said something of itself.'),
    merged('generation', 'UInt32', 'How often it was placed.'),
    merged('labels', 'Map(String, String)', 'Its labels, as it was made with.'),
  ],
};

const turns: View = {
  name: 'turns',
  comment: 'One row for each turn of an agent: a message, and what was done for it.',
  table: 'turns_v1',
  groupBy: 'session_id, turn_id',
  columns: [
    merged('project_id', 'String', 'The project.'),
    sessionId,
    column('turn_id', 'String', 'Its id (trn_…).'),
    merged('text', optional('String'), 'The message.'),
    merged('agent', optional('String'), 'Which agent.'),
    merged('queued_at', optional(moment), 'When the message came.'),
    merged('started_at', optional(moment), 'When the agent began.'),
    merged('ended_at', optional(moment), 'When it ended.'),
    column(
      'state',
      'String',
      'queued, running or ended.',
      "multiIf(max(t.ended_at) IS NOT NULL, 'ended', max(t.started_at) IS NOT NULL, 'running', 'queued')",
    ),
    column(
      'duration_ms',
      optional('Int64'),
      'How long the agent took.',
      "dateDiff('millisecond', max(t.started_at), max(t.ended_at))",
    ),
    merged('outcome', optional('String'), 'completed, canceled, failed, limit_reached.'),
    merged('reason', optional('String'), 'Why, where there is more to say.'),
    merged('steps', optional('UInt32'), 'Calls of the model.'),
    merged('input_tokens', optional('UInt64'), 'Of all its steps.'),
    merged('output_tokens', optional('UInt64'), 'Of all its steps.'),
    merged('cached_input_tokens', optional('UInt64'), 'Of all its steps; a part of input_tokens.'),
    merged('cost_usd', optional('Float64'), 'Of all its steps.'),
  ],
};

/** Of events that are laid together: what the one of that type says. */
const said = (type: string, value: string) => `anyIf(${value}, t.type = '${type}')`;
const whenSaid = (type: string) => `minOrNullIf(t.time, t.type = '${type}')`;
const text = (field: string) => `JSONExtractString(t.data, '${field}')`;

const toolCalls: View = {
  name: 'tool_calls',
  comment: 'One row for each use of a tool by an agent.',
  table: 'events_v1',
  where: "type IN ('tool.started', 'tool.ended')",
  groupBy: `session_id, turn_id, ${text('toolCallId')}`,
  columns: [
    column('project_id', 'String', 'The project.', 'toString(any(t.project_id))'),
    column('task_id', 'String', 'The task of its session.', 'toString(max(t.task_id))'),
    sessionId,
    column('turn_id', 'String', 'The turn.'),
    column('tool_call_id', 'String', 'Its id.', text('toolCallId')),
    column('tool', 'String', 'Which tool.', 'toString(max(t.tool))'),
    column('input', 'String', 'What it was given: JSON.', said('tool.started', text('inputJson'))),
    column('output', 'String', 'What came of it: JSON.', said('tool.ended', text('outputJson'))),
    column('outcome', 'String', 'completed or failed; empty while it runs.', 'toString(max(t.outcome))'),
    column('started_at', optional(moment), 'When it began.', whenSaid('tool.started')),
    column('ended_at', optional(moment), 'When it ended.', whenSaid('tool.ended')),
    column(
      'duration_ms',
      optional('Int64'),
      'How long it took.',
      `dateDiff('millisecond', ${whenSaid('tool.started')}, ${whenSaid('tool.ended')})`,
    ),
  ],
};

const fileOf = (field: string) => `tupleElement(file, '${field}')`;
const fileFields = 'path String, oldPath String, status String, additions UInt64, deletions UInt64, binary Bool';

const fileChanges: View = {
  name: 'file_changes',
  comment:
    'One row for each file that a checkpoint, a tool or somebody outside changed. A checkpoint tells again of what tools did since the one before: ask for one source.',
  table: 'events_v1',
  join: `ARRAY JOIN JSONExtract(t.data, 'files', 'Array(Tuple(${fileFields}))') AS file`,
  where: "type = 'files.changed'",
  columns: [
    projectId,
    ...ofSession,
    sessionId,
    column('turn_id', 'String', 'The turn; empty where it was in none.'),
    column('time', moment, 'When it was told.'),
    column('source', 'String', 'checkpoint, tool, agent_protocol or api.', text('source')),
    column('checkpoint_id', 'String', 'The checkpoint that has it.', text('checkpointId')),
    column('tool_call_id', 'String', 'The use of a tool that did it.', text('toolCallId')),
    column('path', 'String', 'The file.', fileOf('path')),
    column('old_path', 'String', 'Where it was before it was renamed.', fileOf('oldPath')),
    column('status', 'String', 'added, modified, deleted, renamed, mode_changed.', fileOf('status')),
    column('additions', 'UInt64', 'Lines.', fileOf('additions')),
    column('deletions', 'UInt64', 'Lines.', fileOf('deletions')),
    column('binary', 'Bool', 'It has no lines.', fileOf('binary')),
  ],
};

const latest = (type: string, field: string) =>
  `argMaxIf(${text(field)}, tuple(t.epoch, t.sequence, t.fill), t.type = '${type}')`;
const ends = "('proposal.merged', 'proposal.rejected', 'proposal.closed')";

const proposals: View = {
  name: 'proposals',
  comment: 'One row for each proposal, as its events tell.',
  table: 'events_v1',
  where: "type LIKE 'proposal.%'",
  groupBy: `session_id, ${text('proposalId')}`,
  columns: [
    column('project_id', 'String', 'The project.', 'toString(any(t.project_id))'),
    column('task_id', 'String', 'The task of its session.', 'toString(max(t.task_id))'),
    sessionId,
    column('proposal_id', 'String', 'Its id (prp_…).', text('proposalId')),
    column('title', 'String', 'Its title.', latest('proposal.opened', 'title')),
    column(
      'state',
      'String',
      'open, merged, rejected or closed.',
      `if(countIf(t.type IN ${ends}) = 0, 'open', substring(argMaxIf(toString(t.type), tuple(t.epoch, t.sequence, t.fill), t.type IN ${ends}), 10))`,
    ),
    column('opened_at', optional(moment), 'When it was first opened.', whenSaid('proposal.opened')),
    column('ended_at', optional(moment), 'When that was over.', `maxOrNullIf(t.time, t.type IN ${ends})`),
    column('base_commit', 'String', 'What it goes on top of.', latest('proposal.opened', 'baseCommit')),
    column('head_commit', 'String', 'What it brings.', latest('proposal.opened', 'headCommit')),
    column('checks', 'UInt64', 'Checks that ended.', "countIf(t.type = 'proposal.checked')"),
    column(
      'checks_failed',
      'UInt64',
      'Those that did not exit with 0.',
      "countIf(t.type = 'proposal.checked' AND ifNull(t.exit_code, -1) != 0)",
    ),
    column('approvals', 'UInt64', 'Approvals, of any head.', "countIf(t.type = 'proposal.approved')"),
    column('approved_at', optional(moment), 'The last of them.', "maxOrNullIf(t.time, t.type = 'proposal.approved')"),
    column('merge_commit', 'String', 'The commit on the default branch.', latest('proposal.merged', 'mergeCommit')),
  ],
};

const commandOutput: View = {
  name: 'command_output',
  comment: 'What commands wrote, piece by piece, in the order of position.',
  table: 'command_output_v1',
  columns: [
    projectId,
    taskId,
    sessionId,
    column('command_id', 'String', 'The command.'),
    column('stream', name, 'stdout or stderr.'),
    column('offset', 'UInt64', 'Place in its stream.'),
    column('position', 'UInt64', 'Place in all output of the command.'),
    column('size', 'UInt32', 'Bytes.'),
    column('time', moment, 'When it was written.'),
    column('body', 'String', 'The bytes: UTF-8 where the command wrote it.'),
  ],
};

const used = [
  column('input_tokens', 'UInt64', 'Of calls of models.'),
  column('output_tokens', 'UInt64', 'Of calls of models.'),
  column('cached_input_tokens', 'UInt64', 'Of the input tokens those that were cached.'),
  column('cost_usd', 'Float64', 'What those calls cost.'),
];

const sessionTotals: View = {
  name: 'session_totals',
  comment: 'What the events of a session come to, as of some seconds ago.',
  table: 'session_totals_v1',
  join: 'FINAL',
  where: 'events > 0',
  columns: [
    projectId,
    ...ofSession,
    sessionId,
    column('events', 'UInt64', 'How many there are.'),
    column('turns', 'UInt64', 'Those that ended.'),
    column('commands', 'UInt64', 'Those that ended.'),
    column('commands_failed', 'UInt64', 'Of these, those that did not exit with 0.'),
    column('output_bytes', 'UInt64', 'What its commands wrote.'),
    column('files_read', 'UInt64', 'How often a file was read.'),
    column('additions', 'UInt64', 'Lines.'),
    column('deletions', 'UInt64', 'Lines.'),
    ...used,
    column('first_event_at', moment, 'Its first event.'),
    column('last_event_at', moment, 'Its last event.'),
  ],
};

const dailyTotals: View = {
  name: 'daily_totals',
  comment: 'What the events of a day come to, by project, type and model, as of some seconds ago.',
  table: 'daily_totals_v1',
  join: 'FINAL',
  where: 'events > 0',
  columns: [
    column('day', 'Date32', 'Of the time of the events, in UTC.'),
    projectId,
    column('type', name, 'Of the events.'),
    column('model', name, 'Of calls of models; empty for all others.'),
    column('events', 'UInt64', 'How many there are.'),
    column('failed', 'UInt64', 'Of these, those that tell of a failure.'),
    column('bytes', 'UInt64', 'As in events.'),
    column('duration_ms', 'UInt64', 'Of commands that ended.'),
    column('additions', 'UInt64', 'Lines.'),
    column('deletions', 'UInt64', 'Lines.'),
    ...used,
  ],
};

export const views: readonly View[] = [
  ...[events, commands, sessions, turns, toolCalls, fileChanges, proposals, commandOutput, sessionTotals, dailyTotals],
];

export const viewNames: ReadonlySet<string> = new Set(views.map((view) => view.name));

/** What of the store a statement may come to. Each has a column organization_id. */
export const viewTables: readonly string[] = [...new Set(views.map(({ table }) => table))];

/**
 * The definitions that stand in front of the statement, separated by commas.
 *
 * Which rows are the organization's is asked in PREWHERE: what the statement asks of a row is computed for no other. A WHERE becomes one with the
 * statement's own, and an expression that fails for one value would tell of another organization's rows.
 */
export function viewDefinitions(organizationId: string): string {
  return views.map((view) => `${view.name} AS (${definition(view, organizationId)})`).join(',\n');
}

function definition({ columns, table, join = '', where, groupBy }: View, organizationId: string): string {
  const expressions = columns.map((each) => `${qualified(each.expression)} AS \`${each.name}\``).join(', ');
  const own = `PREWHERE t.organization_id = ${quoteString(organizationId)}`;
  // Not in PREWHERE, which comes before FINAL.
  const rows = where ? `WHERE t.${where}` : '';
  return `SELECT ${expressions} FROM ${table} AS t ${join} ${own} ${rows} ${groupBy ? `GROUP BY ${groupBy}` : ''}`;
}

const qualified = (expression: string) => (expression.startsWith('`') ? `t.${expression}` : expression);

/** The same filter on the tables themselves, below whatever the statement does with the views. */
export function tableFilters(database: string, organizationId: string): string {
  const filter = quoteString(`organization_id = ${quoteString(organizationId)}`);
  return `{${viewTables.map((table) => `${quoteString(`${database}.${table}`)}: ${filter}`).join(', ')}}`;
}
