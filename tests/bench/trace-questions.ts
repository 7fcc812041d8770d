// Questions to a store of a given size, each asked many times through the trace-store's own interface, as the gateway asks them.

import type { TraceClient } from '@worktrail/runtime/trace-client';
import { reports } from '../../services/trace-store/src/reports/answer-report.ts';
import { timed } from './bench-cluster.ts';
import { type Quantiles, quantiles } from './quantiles.ts';
import type { TraceData } from './trace-data.ts';

const pageRounds = 100;
const rounds = 10;
const pageRows = 200;

/** Milliseconds by question. */
export type Answers = ReadonlyMap<string, Quantiles>;

const searches = {
  'a frequent word': 'const',
  'a rare word': 'nanosleep',
  'two words': 'export function',
  'a phrase': '"return undefined"',
};

export async function askQuestions(trace: TraceClient, data: TraceData): Promise<Answers> {
  const answers = new Map<string, Quantiles>();
  const ask = async (name: string, times: number, question: (round: number) => Promise<unknown>) => {
    const ms: number[] = [];
    for (let round = 0; round < times; round++) ms.push(await timed(() => question(round)));
    answers.set(name, quantiles(ms));
  };
  const pages = await pageQuestions(trace, data);
  for (const [name, page] of pages) await ask(name, pageRounds, page);
  const { organizationId } = data;
  await ask('the newest 200 sessions', rounds, () => trace.listSessions({ organizationId, limit: 200 }));
  for (const [name, { groups }] of reports) {
    const groupBy = groups[0] ?? '';
    await ask(`report ${name}`, rounds, () => trace.report({ organizationId, name, groupBy, limit: 100 }));
  }
  for (const [name, q] of Object.entries(searches)) {
    await ask(`search for ${name}`, rounds, () => trace.search({ organizationId, q, limit: 20 }));
  }
  return answers;
}

/** Of the session that never ends: its first page, one in the middle, its last. */
export async function pageQuestions(
  trace: TraceClient,
  { organizationId, longSession }: TraceData,
): Promise<ReadonlyMap<string, () => Promise<unknown>>> {
  const scope = { organizationId, ...longSession };
  const { partitions } = await trace.getStatus({});
  const { epoch, sequence } = partitions[longSession.partition]!.stored!;
  const page = (share: number) => async () => {
    const after = { epoch, sequence: BigInt(Math.floor(Number(sequence) * share)) };
    const { events } = await trace.listEvents({ scope, after, limit: pageRows, noBarrier: true });
    if (events.length === 0) throw new Error('a page has no events');
  };
  return new Map([
    ['first page of the long session', page(0)],
    ['a page in its middle', page(0.5)],
    ['its last page', page(0.995)],
  ]);
}
