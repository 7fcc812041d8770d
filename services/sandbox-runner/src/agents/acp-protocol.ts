// One message to an agent by the Agent Client Protocol (JSON-RPC, a message a line), as a fold over what the agent prints.
//
// 1. The same lines give the same effects: who takes over reads the agent's journal from its start and is where the one before was.
//    For that the requests of ours have fixed ids, and an agent's requests are answered in the order in which they came.
// 2. A conversation that the agent knows is loaded; what it repeats of it is not told again. One that it cannot load is begun anew, and
//    what was said before is then in the message.
// 3. What the agent says is believed in nothing: what does not fit is refused, or counted up to a bound.

import {
  AGENT_METHODS,
  CLIENT_METHODS,
  type InitializeRequest,
  type LoadSessionRequest,
  type NewSessionRequest,
  PROTOCOL_VERSION,
  type PromptRequest,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import { z } from 'zod';
import type { ToolKind } from '@worktrail/contract/agents';
import type { TokenUsage } from '@worktrail/contract/turns';
import { type AgentEffect, AgentMisbehaved, type AgentProtocol } from './agent-effects.ts';
import { createAgentTelling } from './agent-telling.ts';

export interface AcpOptions {
  turnId: string;
  /** What an earlier turn left; null: there is none. */
  conversationId: string | null;
  /** The message, with what the agent does not know of what was said before. */
  prompt(knowsConversation: boolean): string;
  /** Where it is to work. */
  workTree: string;
  /** It is told that it may have files read and written for it. */
  files: boolean;
  /** It is told that it may have commands run for it. */
  terminals: boolean;
}

const unreadableMax = 100;
/** In one turn. */
const terminalsMax = 256;
const ids = { initialize: 'worktrail-1', load: 'worktrail-2', open: 'worktrail-3', prompt: 'worktrail-4' } as const;

const text = z.string().max(4 * 1024 * 1024);
const name = z.string().max(1_000);
const message = z.object({
  id: z.union([z.number(), z.string().max(200)]).optional(),
  method: name.optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ code: z.number().optional(), message: text.optional() }).optional(),
});
const content = z.object({ type: z.string(), text: text.optional() });
const chunk = z.object({ content, messageId: name.nullish() });
const toolUpdate = z.object({
  toolCallId: name,
  title: text.nullish(),
  name: name.nullish(),
  kind: z.string().nullish(),
  status: z.string().nullish(),
  content: z.array(z.looseObject({ type: z.string().optional() })).nullish(),
  rawInput: z.unknown().optional(),
  rawOutput: z.unknown().optional(),
});
const update = z.object({ update: z.looseObject({ sessionUpdate: z.string() }) });
const plan = z.object({ entries: z.array(z.object({ content: text, status: z.string() })) });
/** `used`: tokens that are in its context now. */
const spent = z.object({
  used: z.int().min(0).max(1e12).nullish().catch(null),
  cost: z
    .object({ amount: z.number().min(0), currency: z.string() })
    .nullish()
    .catch(null),
});
const initialized = z.object({
  protocolVersion: z.number(),
  agentCapabilities: z.object({ loadSession: z.boolean().optional() }).nullish(),
});
const opened = z.object({ sessionId: name.min(1) });
const tokens = z.number().int().min(0).max(1e12);
const prompted = z.object({
  stopReason: z.string(),
  usage: z
    .object({ inputTokens: tokens, outputTokens: tokens, cachedReadTokens: tokens.nullish() })
    .nullish()
    .catch(null),
});
const permission = z.object({
  toolCall: toolUpdate,
  options: z.array(z.object({ optionId: name, kind: z.string() })).max(50),
});
const reading = z.object({
  path: text,
  line: z.int().min(1).nullish(),
  limit: z.int().min(0).nullish(),
});
const writing = z.object({ path: text, content: text });
const argument = z.string().max(100_000);
const opening = z.object({
  command: argument.min(1),
  args: z.array(argument).max(1_000).nullish(),
  env: z
    .array(z.object({ name, value: argument }))
    .max(200)
    .nullish(),
  cwd: z.string().max(4_096).nullish(),
  outputByteLimit: z.int().min(0).nullish(),
});
const terminalNamed = z.object({ terminalId: name });

type Message = z.output<typeof message>;
type Id = NonNullable<Message['id']>;

export function createAcpProtocol(options: AcpOptions): AgentProtocol {
  const { turnId, conversationId, prompt, files, terminals: offersTerminals, workTree } = options;
  const telling = createAgentTelling(turnId);
  const usage: TokenUsage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0, costUsd: 0 };
  /** Of the conversation before this turn: the agent counts all of it. */
  let costBefore: number | undefined;
  let sessionId: string | undefined;
  /** What the agent says now is of this turn. */
  let isOpen = false;
  let unreadable = 0;
  let terminals = 0;
  /** Those that may be named, by what the agent calls them. */
  const named = new Map<string, number>();

  function notUnderstood(): AgentEffect[] {
    unreadable += 1;
    if (unreadable > unreadableMax) {
      throw new AgentMisbehaved(
        `the agent does not speak the protocol: over ${unreadableMax} lines are no messages of it`,
      );
    }
    return [];
  }

  function openConversation(): AgentEffect {
    const params: NewSessionRequest = { cwd: workTree, mcpServers: [] };
    return request(ids.open, AGENT_METHODS.session_new, params);
  }

  function promptIn(id: string, knowsConversation: boolean): AgentEffect {
    sessionId = id;
    isOpen = true;
    if (!knowsConversation) costBefore = 0;
    const params: PromptRequest = { sessionId: id, prompt: [{ type: 'text', text: prompt(knowsConversation) }] };
    return request(ids.prompt, AGENT_METHODS.session_prompt, params);
  }

  function answered(id: Id, { result, error }: Message): AgentEffect[] {
    const refused = (what: string): AgentEffect[] => {
      const detail = (error?.message ?? 'its answer does not fit the protocol').slice(0, 300);
      return [
        ...telling.close('own'),
        { do: 'end', outcome: 'failed', reason: `the agent failed to ${what}: ${detail}` },
      ];
    };
    switch (id) {
      case ids.initialize: {
        const read = initialized.safeParse(result);
        if (error || !read.success) return refused('begin');
        const { protocolVersion, agentCapabilities } = read.data;
        if (protocolVersion !== PROTOCOL_VERSION) {
          const reason = `the agent speaks version ${protocolVersion} of the protocol, not ${PROTOCOL_VERSION}`;
          return [{ do: 'end', outcome: 'failed', reason }];
        }
        if (conversationId === null || !agentCapabilities?.loadSession) return [openConversation()];
        const params: LoadSessionRequest = { sessionId: conversationId, cwd: workTree, mcpServers: [] };
        return [request(ids.load, AGENT_METHODS.session_load, params)];
      }
      case ids.load:
        return error || conversationId === null ? [openConversation()] : [promptIn(conversationId, true)];
      case ids.open: {
        const read = opened.safeParse(result);
        return error || !read.success ? refused('open a conversation') : [promptIn(read.data.sessionId, false)];
      }
      case ids.prompt: {
        const read = prompted.safeParse(result);
        if (error || !read.success) return refused('answer');
        const counted = read.data.usage;
        if (counted) {
          usage.inputTokens = counted.inputTokens;
          usage.outputTokens = counted.outputTokens;
          usage.cachedInputTokens = counted.cachedReadTokens ?? 0;
        }
        return [...telling.close('own'), endFor(read.data.stopReason)];
      }
      default:
        return [];
    }
  }

  function updated(params: unknown): AgentEffect[] {
    const read = update.safeParse(params);
    if (!read.success) return notUnderstood();
    const { update: what } = read.data;
    if (what.sessionUpdate === 'usage_update') return costs(what);
    if (!isOpen) return [];
    switch (what.sessionUpdate) {
      case 'agent_message_chunk':
      case 'agent_thought_chunk': {
        const said = chunk.safeParse(what);
        if (!said.success) return notUnderstood();
        const kind = what.sessionUpdate === 'agent_message_chunk' ? 'text' : 'reasoning';
        return telling.say(kind, textOf(said.data.content), said.data.messageId ?? '');
      }
      case 'tool_call':
      case 'tool_call_update':
        return used(what);
      case 'plan': {
        const told = plan.safeParse(what);
        if (!told.success) return notUnderstood();
        return telling.plan(told.data.entries.map((one) => ({ text: one.content, state: planState(one.status) })));
      }
      default:
        return [];
    }
  }

  function costs(what: unknown): AgentEffect[] {
    const { used: inContext, cost: told } = spent.parse(what);
    // A model was told as much, once at least.
    if (isOpen) usage.inputTokens = Math.max(usage.inputTokens, inContext ?? 0);
    if (told?.currency !== 'USD') return [];
    if (!isOpen) costBefore = told.amount;
    costBefore ??= told.amount;
    usage.costUsd = Math.max(0, told.amount - costBefore);
    return [];
  }

  function used(what: unknown): AgentEffect[] {
    const read = toolUpdate.safeParse(what);
    if (!read.success) return notUnderstood();
    const { toolCallId, title, name: called, status, rawInput, rawOutput, content: shown } = read.data;
    return telling.tool(toolCallId, {
      name: called ?? title ?? undefined,
      input: rawInput,
      output: outputOf(shown, rawOutput),
      state: stateOf(status),
    });
  }

  function inTerminal(
    method: string,
    params: unknown,
    how: Omit<Extract<AgentEffect, { do: 'terminal' }>, 'do' | 'request'>,
    malformed: (error: z.ZodError) => AgentEffect[],
  ): AgentEffect[] {
    if (method === CLIENT_METHODS.terminal_create) {
      const read = opening.safeParse(params);
      return read.success ? openTerminal(read.data, how) : malformed(read.error);
    }
    const read = terminalNamed.safeParse(params);
    if (!read.success) return malformed(read.error);
    const terminal = named.get(read.data.terminalId);
    if (terminal === undefined) return [{ do: 'send', key: how.key, bytes: how.refuse('there is no such terminal') }];
    if (method === CLIENT_METHODS.terminal_release) named.delete(read.data.terminalId);
    return [{ do: 'terminal', ...how, request: { what: terminalVerb(method), terminal } }];
  }

  function openTerminal(
    { command, args, env, cwd, outputByteLimit }: z.output<typeof opening>,
    how: Omit<Extract<AgentEffect, { do: 'terminal' }>, 'do' | 'request'>,
  ): AgentEffect[] {
    if (terminals >= terminalsMax) {
      const bytes = how.refuse(`there were ${terminalsMax} terminals in this turn already`);
      return [{ do: 'send', key: how.key, bytes }];
    }
    terminals += 1;
    const terminalId = `terminal-${terminals}`;
    named.set(terminalId, terminals);
    const shown = { terminalId, command, ...(args?.length && { args }), ...(cwd && { cwd }) };
    const { id: toolCallId, effects } = telling.terminal(terminals, shown);
    const wanted = {
      ...{ command, args: args ?? [], cwd: cwd ?? null, outputBytes: outputByteLimit ?? null },
      env: Object.fromEntries((env ?? []).map((one) => [one.name, one.value])),
    };
    const use = { toolCallId, toolKind: 'execute', detail: `terminal ${JSON.stringify(shown)}` } as const;
    const request = { what: 'open', terminal: terminals, command: wanted, asked: use } as const;
    return [...effects, { do: 'terminal', ...how, request, answer: () => how.answer({ terminalId }) }];
  }

  function asked(id: Id, method: string, params: unknown): AgentEffect[] {
    const key = answerKey(id);
    const refuse = (code: number, detail: string) => line({ id, error: { code, message: detail } });
    const malformed = ({ issues: [first] }: z.ZodError): AgentEffect[] => {
      const detail = `${first!.path.join('.')}: ${first!.message}`.slice(0, 200);
      return [{ do: 'send', key, bytes: refuse(-32602, `its parameters do not fit: ${detail}`) }];
    };
    const answering = {
      answer: (result: object) => line({ id, result }),
      refuse: (detail: string) => refuse(-32000, detail),
    };
    switch (method) {
      case CLIENT_METHODS.session_request_permission: {
        const read = permission.safeParse(params);
        if (!read.success) return malformed(read.error);
        const { toolCall, options } = read.data;
        const told = telling.tool(toolCall.toolCallId, {
          name: toolCall.name ?? toolCall.title ?? undefined,
          input: toolCall.rawInput,
          state: 'running',
        });
        const use = {
          toolCallId: telling.toolId(toolCall.toolCallId),
          toolKind: toolKindOf(toolCall.kind),
          detail: detailOf(toolCall),
        };
        const answer = (decision: 'allow' | 'deny' | 'canceled') => line({ id, result: outcomeOf(options, decision) });
        return [...told, { do: 'ask', key, asked: use, answer }];
      }
      case CLIENT_METHODS.fs_read_text_file: {
        const read = reading.safeParse(params);
        if (!read.success) return malformed(read.error);
        const { path, line: first, limit } = read.data;
        const wanted = { what: 'read', path, firstLine: first ?? 1, lines: limit ?? null } as const;
        return [{ do: 'serve', key, request: wanted, ...answering }];
      }
      case CLIENT_METHODS.fs_write_text_file: {
        const read = writing.safeParse(params);
        if (!read.success) return malformed(read.error);
        // One that was not offered it has written the file itself, and only tells of it.
        if (!files) return [{ do: 'send', key, bytes: line({ id, result: {} }) }];
        return [{ do: 'serve', key, request: { what: 'write', ...read.data }, ...answering }];
      }
      case CLIENT_METHODS.terminal_create:
      case CLIENT_METHODS.terminal_output:
      case CLIENT_METHODS.terminal_wait_for_exit:
      case CLIENT_METHODS.terminal_kill:
      case CLIENT_METHODS.terminal_release:
        if (offersTerminals) return inTerminal(method, params, { key, ...answering }, malformed);
        return [{ do: 'send', key, bytes: refuse(-32601, 'terminals are not offered') }];
      default:
        return [{ do: 'send', key, bytes: refuse(-32601, `there is no ${method.slice(0, 100)}`) }];
    }
  }

  return {
    begin() {
      const params: InitializeRequest = {
        protocolVersion: PROTOCOL_VERSION,
        clientCapabilities: { fs: { readTextFile: files, writeTextFile: files }, terminal: offersTerminals },
        clientInfo: { name: 'worktrail', version: '1' },
      };
      return [request(ids.initialize, AGENT_METHODS.initialize, params)];
    },
    accept(received) {
      const read = message.safeParse(parseJson(received));
      if (!read.success) return received.trim() === '' ? [] : notUnderstood();
      const { id, method, params } = read.data;
      if (method === undefined) return id === undefined ? notUnderstood() : answered(id, read.data);
      if (id !== undefined) return asked(id, method, params);
      return method === CLIENT_METHODS.session_update ? updated(params) : [];
    },
    cancel() {
      if (!sessionId) return [];
      const method = AGENT_METHODS.session_cancel;
      return [{ do: 'send', key: `told ${method}`, bytes: line({ method, params: { sessionId } }) }];
    },
    close: () => telling.close('all'),
    terminalEnded: telling.terminalEnded,
    messageKey: requestKey(ids.prompt),
    hasBegun: () => isOpen,
    steps: telling.steps,
    usage: () => ({ ...usage }),
    conversationId: () => sessionId ?? null,
    sentKeys: (input) =>
      input.split('\n').flatMap((sent) => {
        const read = message.safeParse(parseJson(sent));
        if (!read.success) return [];
        const { id, method } = read.data;
        if (id === undefined) return [`told ${method}`];
        return [method === undefined ? answerKey(id) : requestKey(id)];
      }),
  };
}

function request(id: string, method: string, params: object): AgentEffect {
  return { do: 'send', key: requestKey(id), bytes: line({ id, method, params }) };
}

function requestKey(id: Id): string {
  return `asked ${id}`;
}

function answerKey(id: Id): string {
  return `answered ${JSON.stringify(id)}`;
}

function line(what: object): string {
  return `${JSON.stringify({ jsonrpc: '2.0', ...what })}\n`;
}

function endFor(stopReason: string): AgentEffect {
  switch (stopReason) {
    case 'end_turn':
      return { do: 'end', outcome: 'completed', reason: '' };
    case 'cancelled':
      return { do: 'end', outcome: 'canceled', reason: 'the agent has stopped by itself' };
    case 'max_tokens':
      return { do: 'end', outcome: 'limit_reached', reason: "the agent's own limit of tokens" };
    case 'max_turn_requests':
      return { do: 'end', outcome: 'limit_reached', reason: "the agent's own limit of requests" };
    case 'refusal':
      return { do: 'end', outcome: 'failed', reason: 'the agent refuses to answer' };
    default:
      return { do: 'end', outcome: 'failed', reason: `the agent ended its turn with "${stopReason.slice(0, 100)}"` };
  }
}

function terminalVerb(method: string) {
  if (method === CLIENT_METHODS.terminal_output) return 'read';
  if (method === CLIENT_METHODS.terminal_wait_for_exit) return 'wait';
  return method === CLIENT_METHODS.terminal_kill ? 'kill' : 'release';
}

function stateOf(status: string | null | undefined) {
  if (status === 'in_progress') return 'running';
  return status === 'completed' || status === 'failed' ? status : 'pending';
}

function planState(status: string): 'open' | 'active' | 'done' {
  if (status === 'completed') return 'done';
  return status === 'in_progress' ? 'active' : 'open';
}

export function toolKindOf(kind: string | null | undefined): ToolKind {
  switch (kind) {
    case 'read':
    case 'search':
    case 'think':
      return 'read';
    case 'edit':
    case 'delete':
    case 'move':
      return 'edit';
    case 'execute':
    case 'fetch':
      return kind;
    default:
      return 'other';
  }
}

function detailOf({ title, name: called, rawInput }: z.output<typeof toolUpdate>): string {
  const input = rawInput === undefined || rawInput === null ? '' : JSON.stringify(rawInput);
  return [title ?? called ?? 'a tool', input].filter(Boolean).join(' ');
}

function textOf({ type, text: said }: z.output<typeof content>): string {
  return type === 'text' ? (said ?? '') : `[${type.slice(0, 50)}]`;
}

/** undefined: nothing is said of it. */
function outputOf(shown: z.output<typeof toolUpdate>['content'], raw: unknown): string | undefined {
  const parts = (shown ?? []).flatMap((one) => {
    const inner = content.safeParse(one['content']);
    if (one.type === 'content' && inner.success) return [textOf(inner.data)];
    if (one.type === 'terminal' && typeof one['terminalId'] === 'string')
      return [`[${one['terminalId'].slice(0, 100)}]`];
    return one.type === 'diff' && typeof one['path'] === 'string' ? [`changes ${one['path'].slice(0, 1_000)}`] : [];
  });
  if (parts.length > 0) return parts.join('\n');
  if (raw === undefined || raw === null) return undefined;
  return typeof raw === 'string' ? raw : JSON.stringify(raw);
}

function outcomeOf(
  options: readonly { optionId: string; kind: string }[],
  decision: 'allow' | 'deny' | 'canceled',
): RequestPermissionResponse {
  // For once: what stands for longer is ours to remember.
  const kinds = { allow: ['allow_once', 'allow_always'], deny: ['reject_once', 'reject_always'], canceled: [] }[
    decision
  ];
  const option = kinds.flatMap((kind) => options.filter((one) => one.kind === kind))[0];
  return option
    ? { outcome: { outcome: 'selected', optionId: option.optionId } }
    : { outcome: { outcome: 'cancelled' } };
}

function parseJson(received: string): unknown {
  try {
    return JSON.parse(received);
  } catch {
    return undefined;
  }
}
