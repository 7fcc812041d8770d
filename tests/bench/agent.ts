// Turns of the built-in agent with a scripted model that answers at once: what a step costs beyond the model, how long its first words
// take to who reads along, a turn of ten steps beside the same loop in one process, and twenty sessions' turns at once.
//
//   npm run bench -- agent

import { readFile } from 'node:fs/promises';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { type Answer, type Asked, type Moment, startScriptedModel } from '@worktrail/testing/scripted-model';
import { isStepCount, streamText, tool } from 'ai';
import { z } from 'zod';
import { type Api, followEvents } from '../e2e/api.ts';
import { type Bench, containerOf, dockerExec, newSession, runBench, timed } from './bench-cluster.ts';
import { addDifference, cpuMsOf } from './cpu-time.ts';
import { type Quantiles, quantiles } from './quantiles.ts';

const warmUpSteps = 10;
const stepsMeasured = 60;
const turnsMeasured = 12;
const sessionsAtOnce = 20;
const cancelsMeasured = 20;
const words = 'I go on.';

/** Never the same twice: who asks for the same again and again is stopped. */
const uses = {
  update_plan: (step: number) => ({ items: [{ text: `go on with ${step}`, state: 'active' }] }),
  read_file: (step: number) => ({ path: 'README.md', lines: step }),
  run_command: (step: number) => ({ command: `true ${step}` }),
};
type ToolName = keyof typeof uses;
const toolNames = Object.keys(uses) as ToolName[];

/** The ten steps of a whole turn. */
const turnTools: readonly ToolName[] = [
  'update_plan',
  'read_file',
  'run_command',
  'read_file',
  'run_command',
  'update_plan',
  'read_file',
  'run_command',
  'update_plan',
];

/** Ends only when it is killed. */
const stubborn = `trap '' TERM INT; echo begun; while :; do sleep 0.1; done`;

/** A message is "TOOL×STEPS NAME", "turn NAME" or "cancel NAME". */
function answer({ text, step }: Asked): Answer {
  const [what = ''] = text.split(' ');
  if (what === 'cancel') return { text: words, calls: [{ tool: 'run_command', input: { command: stubborn } }] };
  const [name, steps] = what.split('×');
  const next = what === 'turn' ? turnTools[step - 1] : step <= Number(steps) ? (name as ToolName) : undefined;
  return { text: words, calls: next ? [{ tool: next, input: uses[next](step) }] : [] };
}

/** When what happened at the model, by message and step: performance.now(). */
const seen = new Map<string, number>();
const at = (moment: Moment, text: string, step: number) => seen.get(`${moment} ${text} ${step}`)!;
const note = (moment: Moment, { text, step }: Asked) => void seen.set(`${moment} ${text} ${step}`, performance.now());

/** Sends a message; resolves at the end of its turn with when the first words of each step were read. */
async function turn({ api, apiKey }: Bench, session: string, text: string): Promise<number[]> {
  const events = followEvents(api, apiKey, session, { after: (await newestCursor(api, session)) ?? '' });
  const first: number[] = [];
  const { turnId } = await api.make(`/v1/sessions/${session}/messages`, { text });
  for await (const event of events) {
    if ((event as { turnId?: string }).turnId !== turnId) continue;
    if (event.type === 'message.agent_delta') {
      const step = Number(String(event.data['messageId']).split('-').at(-1));
      first[step - 1] ??= performance.now();
    }
    if (event.type !== 'turn.ended') continue;
    if (event.data['outcome'] !== 'completed') throw new Error(JSON.stringify(event.data));
    return first;
  }
  throw new Error('the stream of events ended');
}

async function newestCursor(api: Api, session: string): Promise<string | undefined> {
  return (await api.get(`/v1/sessions/${session}`)).body.lastCursor;
}

interface Figures {
  overhead: Record<ToolName, Quantiles>;
  firstWords: Quantiles;
  turn: { worktrail: Quantiles; plain: Quantiles };
  atOnce: { steps: number; tookMs: number; overhead: Quantiles; cpu: Record<string, number>; alone: number };
  /** From the request to the turn's end, while a command runs that does not end. */
  cancel: Quantiles;
  memory: { name: string; before: number; after: number }[];
}

async function measure(bench: Bench, modelUrl: string): Promise<Figures> {
  const session = await newSession(bench);
  const overhead: Partial<Record<ToolName, Quantiles>> = {};
  const words: number[] = [];
  for (const name of toolNames) {
    const steps = warmUpSteps + stepsMeasured;
    const text = `${name}×${steps} alone`;
    const first = await turn(bench, session, text);
    const measured = Array.from({ length: stepsMeasured }, (_, index) => warmUpSteps + index + 1);
    overhead[name] = quantiles(measured.map((step) => at('asked', text, step + 1) - at('answered', text, step)));
    words.push(...measured.map((step) => first[step - 1]! - at('half', text, step)));
  }
  const turns = await measureTurns(bench, modelUrl);
  const cancel = await measureCancels(bench);
  const before = await residentMib(bench.pids);
  const atOnce = await measureAtOnce(bench);
  const after = await residentMib(bench.pids);
  const memory = Object.keys(before).map((name) => ({ name, before: before[name]!, after: after[name]! }));
  return {
    ...{ overhead: overhead as Figures['overhead'], firstWords: quantiles(words) },
    cancel,
    ...{ turn: turns, atOnce: { ...atOnce, alone: overhead.update_plan!.p50 }, memory },
  };
}

/** Both ways in turn, each in a session, or container, of its own kind: the conversation of both begins anew each time. */
async function measureTurns(bench: Bench, modelUrl: string): Promise<Figures['turn']> {
  const worktrail: number[] = [];
  const plain: number[] = [];
  const session = await newSession(bench);
  const container = await containerOf(bench.docker, session);
  const read = async (command: string) => {
    let said = '';
    await dockerExec(container, command, (chunk) => (said += chunk.toString()));
    return { said };
  };
  const tools = {
    update_plan: tool({ inputSchema: z.object({ items: z.array(z.any()) }), execute: async () => ({}) }),
    read_file: tool({ inputSchema: z.object({ path: z.string() }), execute: ({ path }) => read(`cat ${path}`) }),
    run_command: tool({ inputSchema: z.object({ command: z.string() }), execute: ({ command }) => read(command) }),
  };
  const model = createOpenAICompatible({ name: 'plain', baseURL: `${modelUrl}/v1`, includeUsage: true })('scripted');
  const loop = async (prompt: string) => {
    const { fullStream, steps } = streamText({ model, prompt, tools, stopWhen: isStepCount(20) });
    for await (const part of fullStream) if (part.type === 'error') throw part.error;
    if ((await steps).length !== turnTools.length + 1) throw new Error(`it took ${(await steps).length} steps`);
  };
  for (let round = -2; round < turnsMeasured; round++) {
    const worktrailMs = await timed(() => turn(bench, session, `turn ${round}`));
    const plainMs = await timed(() => loop(`turn plain-${round}`));
    if (round < 0) continue;
    worktrail.push(worktrailMs);
    plain.push(plainMs);
  }
  return { worktrail: quantiles(worktrail), plain: quantiles(plain) };
}

/** Each in a session of its own: what is canceled has its grace, and the next command of the session waits for that. */
async function measureCancels(bench: Bench): Promise<Quantiles> {
  const took: number[] = [];
  for (let round = 0; round < cancelsMeasured; round++) {
    const session = await newSession(bench);
    const events = followEvents(bench.api, bench.apiKey, session);
    const { turnId } = await bench.api.make(`/v1/sessions/${session}/messages`, { text: `cancel ${round}` });
    let askedMs = 0;
    for await (const event of events) {
      if (event.type === 'command.output') {
        askedMs = performance.now();
        await bench.api.make(`/v1/sessions/${session}/turns/${turnId}/cancel`);
      }
      if (event.type !== 'turn.ended') continue;
      if (event.data['outcome'] !== 'canceled') throw new Error(JSON.stringify(event.data));
      took.push(performance.now() - askedMs);
      break;
    }
  }
  return quantiles(took);
}

async function measureAtOnce(bench: Bench): Promise<Omit<Figures['atOnce'], 'alone'>> {
  const sessions = await Promise.all(Array.from({ length: sessionsAtOnce }, () => newSession(bench)));
  const processes = Object.fromEntries(Object.entries(bench.pids).map(([name, pid]) => [name, [pid]]));
  const cpuNow = () => cpuMsOf(processes);
  await Promise.all(sessions.map((session) => turn(bench, session, `turn warm-${session}`)));
  const cpu: Record<string, number> = {};
  const before = await cpuNow();
  const tookMs = await timed(() => Promise.all(sessions.map((session) => turn(bench, session, `turn ${session}`))));
  addDifference(cpu, before, await cpuNow());
  const steps = sessionsAtOnce * (turnTools.length + 1);
  const gaps = sessions.flatMap((session) =>
    turnTools.map(
      (_, index) => at('asked', `turn ${session}`, index + 2) - at('answered', `turn ${session}`, index + 1),
    ),
  );
  const each = Object.fromEntries(Object.entries(cpu).map(([name, ms]) => [name, ms / steps]));
  return { steps, tookMs, overhead: quantiles(gaps), cpu: each };
}

async function residentMib(pids: Record<string, number>): Promise<Record<string, number>> {
  const read = async ([name, pid]: [string, number]) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return [name, Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024] as const;
  };
  return Object.fromEntries(await Promise.all(Object.entries(pids).map(read)));
}

function render({ overhead, firstWords, turn: turns, cancel, atOnce, memory }: Figures, machine: string): string {
  const row = (name: string, { p50, p95, max }: Quantiles) =>
    `| ${name} | ${p50.toFixed(1)} | ${p95.toFixed(1)} | ${max.toFixed(1)} |`;
  const cpuTotal = Object.values(atOnce.cpu).reduce((sum, ms) => sum + ms, 0);
  const told = {
    update_plan: 'a step that updates the plan',
    read_file: 'a step that reads a file, the reading in the sandbox included',
    run_command: 'a step that runs `true`, the command included',
  };
  return `# A turn of the built-in agent: \`npm run bench -- agent\`

Measured on ${machine}. The model is scripted, on this machine, and answers at once with a few words and one use of a tool; of each kind ${stepsMeasured}
steps after ${warmUpSteps} to warm up, in one session, whose conversation grows meanwhile.

| from the end of the model's answer to the next question at the model | p50 ms | p95 ms | max ms |
|---|---|---|---|
${toolNames.map((name) => row(told[name], overhead[name])).join('\n')}

| from the model's first words to a reader of server-sent events | p50 ms | p95 ms | max ms |
|---|---|---|---|
${row('first words of an answer', firstWords)}

A whole turn of ${turnTools.length + 1} steps (3 plans, 3 files read, 3 commands), and the same loop by \`streamText\` of the AI SDK in one process with \`docker exec\` for
its tools, which keeps nothing; ${turnsMeasured} rounds after 2, in turn:

| a turn, from the message to its end | p50 ms | p95 ms | max ms |
|---|---|---|---|
${row('Worktrail', turns.worktrail)}
${row('plain loop in one process', turns.plain)}
| **ratio** | **${(turns.worktrail.p50 / turns.plain.p50).toFixed(2)}** | **${(turns.worktrail.p95 / turns.plain.p95).toFixed(2)}** | |

With a model that takes 2 s for an answer the ratio is ${((turns.worktrail.p50 + 20_000) / (turns.plain.p50 + 20_000)).toFixed(2)} (computed).

| a turn is canceled while a command runs that ignores it, ${cancelsMeasured} times | p50 ms | p95 ms | max ms |
|---|---|---|---|
${row('from the request to `turn.ended` at a reader', cancel)}

The same turn in ${sessionsAtOnce} sessions at once: ${atOnce.steps} steps in ${(atOnce.tookMs / 1000).toFixed(1)} s, ${(atOnce.steps / (atOnce.tookMs / 1000)).toFixed(0)} steps per second; between answer and next question p50
${atOnce.overhead.p50.toFixed(0)} ms, p95 ${atOnce.overhead.p95.toFixed(0)} ms.

| process | CPU per step, ${sessionsAtOnce} at once, ms | resident before, MiB | after, MiB |
|---|---|---|---|
${memory.map(({ name, before, after }) => `| ${name} | ${(atOnce.cpu[name] ?? 0).toFixed(1)} | ${before.toFixed(0)} | ${after.toFixed(0)} |`).join('\n')}
| **all of these** | **${cpuTotal.toFixed(1)}** | | |

Before the next question, everything of a step is durable: the answer and its parts in JetStream, what each tool came to, and the decision to go on
in Temporal.

Not measured: real models and their networks, long conversations (a step reads only what is new of it, but sends all to the model), large answers and
files, compaction, agents of other kinds, Temporal, NATS or ClickHouse as clusters, other load on the machine. Client, model, cluster and engine share the cores.
`;
}

const model = await startScriptedModel({ answer, at: note });
try {
  const env = { ...process.env, WORKTRAIL_MODEL_URL: `${model.url}/v1`, WORKTRAIL_MODEL_DEFAULT: 'custom/scripted' };
  await runBench('agent', { files: 100, env }, async (bench) => render(await measure(bench, model.url), bench.machine));
} finally {
  await model.close();
}
