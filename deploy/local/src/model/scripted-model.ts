/**
 * The scripted model: a server on loopback that answers like OpenAI's, streaming, with reasoning and tool calls, from a script. To what
 * the script does not know it says so, and how to have a model that does.
 */
import { LLMock } from '@copilotkit/aimock';
import { AGENT_MESSAGE, agentStep, type ScriptedStep } from './agent-script.ts';

/** Requests are bounded by what a turn may be; those before the newest are of no use to anybody. */
const KEPT_REQUESTS_MAX = 10;
const CHUNK_CHARACTERS = 24;
const CHUNK_DELAY_MS = 25;

export interface ScriptedModel {
  /** As in `model.url`. */
  url: string;
  stop(): Promise<void>;
}

export async function startScriptedModel(): Promise<ScriptedModel> {
  const model = new LLMock({
    host: '127.0.0.1',
    port: 0,
    chunkSize: CHUNK_CHARACTERS,
    latency: CHUNK_DELAY_MS,
    journalMaxEntries: KEPT_REQUESTS_MAX,
  });
  model.on({ predicate: () => true }, ({ messages }) => responseOf(answerTo(messages)));
  await model.start();
  return { url: `${model.url}/v1`, stop: () => model.stop().then(() => undefined) };
}

/** As the server takes it. */
export function responseOf({ content = '', reasoning, calls = [] }: ScriptedStep) {
  const toolCalls = calls.map(({ name, input }) => ({ name, arguments: JSON.stringify(input) }));
  return { content, ...(reasoning && { reasoning }), ...(toolCalls.length > 0 && { toolCalls }) };
}

export interface Message {
  role: string;
  content?: unknown;
}

const UNKNOWN: ScriptedStep = {
  content: `I am a scripted model: I understand nothing, and answer only this: "${AGENT_MESSAGE}"
For a model that does, stop Worktrail, set ANTHROPIC_API_KEY, OPENAI_API_KEY, GOOGLE_API_KEY or WORKTRAIL_MODEL_URL, and
start it again.`,
};

/** Pure: what stands in the conversation decides. */
export function answerTo(messages: readonly Message[]): ScriptedStep {
  const asked = messages.findLastIndex(({ role }) => role === 'user');
  if (asked === -1 || !textOf(messages[asked]!).includes(AGENT_MESSAGE)) return UNKNOWN;
  const since = messages.slice(asked + 1);
  const step = since.filter(({ role }) => role === 'assistant').length;
  const lastResult = since.findLast(({ role }) => role === 'tool');
  return agentStep(step, lastResult ? textOf(lastResult) : '') ?? UNKNOWN;
}

function textOf({ content }: Message): string {
  return typeof content === 'string' ? content : (JSON.stringify(content) ?? '');
}
