// The end of a session, turn, call of a model, use of a tool or command as a span, with the attributes that OpenTelemetry's conventions for
// generative AI name (semantic conventions 1.38, status Development; names may change there).
//
// 1. A session is a trace. The ids of a trace and its spans are digests of what they stand for: what is sent again is the same span.
// 2. A command and a use of a tool are within their turn, a turn within its session. A session's span comes when it is over.
// 3. Nothing that was said, asked or printed is in a span unless the operator says so; then it is cut.

import { createHash } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { CommandOutcome, type Event } from '@worktrail/proto/event';
import {
  type OtlpKeyValueSchema,
  type OtlpSpan,
  OtlpSpanKind,
  OtlpSpanSchema,
  OtlpStatusCode,
} from '@worktrail/proto/otlp';

const contentCharactersMax = 16 * 1024;

/** What a span needs of the events before its end. */
export interface Beginning {
  startedAt: Date;
  /** Of a tool its name, of a turn its agent's. */
  name: string;
  /** What a tool was given; empty where that is not to be told. */
  input: string;
}

export interface SpanOptions {
  /** With what was said, asked and printed. */
  content: boolean;
}

/** The types of events that end something. */
export const endTypes = [
  'command.ended',
  'tool.ended',
  'message.agent',
  'usage',
  'turn.ended',
  'session.archived',
  'session.failed',
] as const;

/** What the span of this event begins with, where it is to be looked for. */
export type Wanted =
  | { what: 'session' }
  | { what: 'turn'; turnId: string }
  | { what: 'tool'; turnId: string; toolCallId: string }
  /** A model is asked once what came before it is over. */
  | { what: 'step'; turnId: string };

export function wantedOf({ payload, turnId, commandId }: Event): Wanted | undefined {
  switch (payload.case) {
    case 'sessionArchived':
    case 'sessionFailed':
      return { what: 'session' };
    case 'turnEnded':
      return { what: 'turn', turnId };
    case 'toolEnded':
      return { what: 'tool', turnId, toolCallId: payload.value.toolCallId };
    case 'messageAgent':
      return turnId === '' || commandId !== '' ? undefined : { what: 'step', turnId };
    default:
      return undefined;
  }
}

/** Undefined for what is no span: the usage of a step is in the step's. */
export function spanOf(event: Event, beginning: Beginning | undefined, options: SpanOptions): OtlpSpan | undefined {
  const { payload, sessionId, turnId } = event;
  const end = event.time ? timestampDate(event.time) : new Date(0);
  const start = beginning?.startedAt ?? end;
  const inTurn = turnId === '' ? sessionSpanId(sessionId) : turnSpanId(turnId);
  switch (payload.case) {
    case 'sessionArchived':
    case 'sessionFailed': {
      const failure = payload.case === 'sessionFailed' ? payload.value.code : undefined;
      return span(event, {
        ...{ id: sessionSpanId(sessionId), name: 'session', kind: OtlpSpanKind.INTERNAL, start, end },
        attributes: failure ? { 'error.type': failure } : {},
        failure,
      });
    }
    case 'turnEnded': {
      const { outcome, reason, usage } = payload.value;
      const agent = beginning?.name ?? '';
      return span(event, {
        ...{ id: turnSpanId(turnId), parent: sessionSpanId(sessionId), kind: OtlpSpanKind.INTERNAL, start, end },
        name: agent === '' ? 'invoke_agent' : `invoke_agent ${agent}`,
        attributes: {
          'gen_ai.operation.name': 'invoke_agent',
          'gen_ai.provider.name': providerOf(agent),
          'gen_ai.agent.name': agent,
          'gen_ai.usage.input_tokens': usage?.inputTokens,
          'gen_ai.usage.output_tokens': usage?.outputTokens,
          'worktrail.turn.outcome': outcome,
          'worktrail.turn.steps': usage?.steps,
          'worktrail.cost_usd': usage && { double: usage.costUsd },
          ...(outcome !== 'completed' && { 'error.type': outcome }),
        },
        failure: outcome === 'completed' ? undefined : [outcome, reason].filter(Boolean).join(': '),
      });
    }
    case 'messageAgent': {
      const { messageId, usage, finish, text } = payload.value;
      const said = [{ role: 'assistant', parts: [{ type: 'text', content: text }], finish_reason: finish }];
      return span(event, {
        ...{ id: spanId('message', sessionId, messageId), parent: inTurn, kind: OtlpSpanKind.CLIENT, start, end },
        name: usage ? `chat ${usage.model}` : 'chat',
        attributes: {
          ...chatAttributes(usage),
          'gen_ai.response.finish_reasons': finish === '' ? undefined : [finish],
          'gen_ai.output.messages': options.content ? JSON.stringify(said).slice(0, contentCharactersMax) : undefined,
        },
      });
    }
    case 'usage': {
      // Of a step it is in the step's own span.
      if (!event.producer.startsWith('runner-')) return undefined;
      return span(event, {
        ...{ id: spanId('usage', sessionId, event.producer, String(event.number)), parent: inTurn, start, end },
        ...{ name: `chat ${payload.value.model}`, kind: OtlpSpanKind.CLIENT },
        attributes: chatAttributes(payload.value),
      });
    }
    case 'toolEnded': {
      const { toolCallId, failed, outputJson } = payload.value;
      const tool = beginning?.name ?? '';
      return span(event, {
        ...{ id: spanId('tool', sessionId, toolCallId), parent: inTurn, kind: OtlpSpanKind.INTERNAL, start, end },
        name: tool === '' ? 'execute_tool' : `execute_tool ${tool}`,
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'gen_ai.tool.name': tool,
          'gen_ai.tool.call.id': toolCallId,
          'gen_ai.tool.call.arguments': options.content ? beginning?.input.slice(0, contentCharactersMax) : undefined,
          'gen_ai.tool.call.result': options.content ? outputJson.slice(0, contentCharactersMax) : undefined,
          ...(failed && { 'error.type': 'tool_failed' }),
        },
        failure: failed ? 'tool_failed' : undefined,
      });
    }
    case 'commandEnded': {
      const { outcome, exitCode, startedAt, endedAt, stdoutBytes, stderrBytes } = payload.value;
      const name = (CommandOutcome[outcome] ?? 'unspecified').toLowerCase();
      const isGood = outcome === CommandOutcome.EXITED && exitCode === 0;
      return span(event, {
        ...{ id: spanId('command', sessionId, event.commandId), parent: inTurn, kind: OtlpSpanKind.INTERNAL },
        ...{
          name: 'command',
          start: startedAt ? timestampDate(startedAt) : end,
          end: endedAt ? timestampDate(endedAt) : end,
        },
        attributes: {
          'worktrail.command.id': event.commandId,
          'worktrail.command.outcome': name,
          'worktrail.command.stdout_bytes': Number(stdoutBytes),
          'worktrail.command.stderr_bytes': Number(stderrBytes),
          'process.exit.code': exitCode,
          ...(!isGood && { 'error.type': name }),
        },
        failure: isGood ? undefined : name,
      });
    }
    default:
      return undefined;
  }
}

type Value = string | number | { double: number } | readonly string[] | undefined;

interface SpanInit {
  id: Uint8Array<ArrayBuffer>;
  parent?: Uint8Array<ArrayBuffer>;
  name: string;
  kind: OtlpSpanKind;
  start: Date;
  end: Date;
  attributes: Readonly<Record<string, Value>>;
  failure?: string | undefined;
}

function span(event: Event, init: SpanInit): OtlpSpan {
  const { organizationId, projectId, sessionId, turnId } = event;
  const attributes = {
    'worktrail.organization.id': organizationId,
    'worktrail.project.id': projectId,
    'worktrail.session.id': sessionId,
    'gen_ai.conversation.id': sessionId,
    'worktrail.turn.id': turnId,
    ...init.attributes,
  };
  const end = nanoseconds(init.end);
  const start = nanoseconds(init.start);
  return create(OtlpSpanSchema, {
    traceId: digest(16, 'trace', sessionId),
    spanId: init.id,
    ...(init.parent && { parentSpanId: init.parent }),
    name: init.name.slice(0, 200),
    kind: init.kind,
    // Two clocks may have told of them.
    startTimeUnixNano: start < end ? start : end,
    endTimeUnixNano: end,
    attributes: Object.entries(attributes).flatMap(([key, value]) => attribute(key, value)),
    ...(init.failure !== undefined && {
      status: { code: OtlpStatusCode.ERROR, message: init.failure.slice(0, 1_000) },
    }),
  });
}

/** What is empty is left out. */
function attribute(key: string, value: Value): MessageInitShape<typeof OtlpKeyValueSchema>[] {
  if (value === undefined || value === '') return [];
  if (typeof value === 'string') return [{ key, value: { value: { case: 'stringValue', value } } }];
  if (typeof value === 'number')
    return [{ key, value: { value: { case: 'intValue', value: BigInt(Math.trunc(value)) } } }];
  if ('double' in value) return [{ key, value: { value: { case: 'doubleValue', value: value.double } } }];
  const values = value.map((one) => ({ value: { case: 'stringValue' as const, value: one } }));
  return [{ key, value: { value: { case: 'arrayValue', value: { values } } } }];
}

interface Used {
  model: string;
  inputTokens: bigint;
  outputTokens: bigint;
  costUsd: number;
}

function chatAttributes(usage: Used | undefined): Record<string, Value> {
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': providerOf(usage?.model ?? ''),
    'gen_ai.request.model': usage?.model,
    'gen_ai.usage.input_tokens': usage && Number(usage.inputTokens),
    'gen_ai.usage.output_tokens': usage && Number(usage.outputTokens),
    'worktrail.cost_usd': usage && { double: usage.costUsd },
  };
}

/** "anthropic/claude" is of anthropic; what has a name of the operator's own does not say. */
function providerOf(model: string): string {
  const [provider, rest] = model.split('/', 2);
  return rest === undefined || !provider ? 'worktrail' : provider;
}

function sessionSpanId(sessionId: string): Uint8Array<ArrayBuffer> {
  return spanId('session', sessionId);
}

function turnSpanId(turnId: string): Uint8Array<ArrayBuffer> {
  return spanId('turn', turnId);
}

function spanId(...of: string[]): Uint8Array<ArrayBuffer> {
  return digest(8, ...of);
}

function digest(bytes: number, ...of: string[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha256').update(of.join('\n')).digest().subarray(0, bytes));
}

function nanoseconds(date: Date): bigint {
  return BigInt(Math.max(0, date.getTime())) * 1_000_000n;
}
