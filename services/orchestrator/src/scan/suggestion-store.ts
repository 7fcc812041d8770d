// The suggestions of a project, as a scan reads and writes them in the configuration bucket.
//
// 1. Ids follow from the scan's time and the fingerprint: what is stored again, after a crash or beside another attempt, is the same one.
// 2. What somebody has decided meanwhile stays decided: a change is made of the very revision that was read, or of the newest that is as it was.
// 3. Of a project that has been deleted meanwhile nothing is left.

import { createHash } from 'node:crypto';
import type { KV } from '@nats-io/kv';
import { idFrom } from '@worktrail/contract/ids';
import type { KnownFinding } from '@worktrail/contract/scan-messages';
import { projectKey } from '@worktrail/contract/subjects';
import {
  type Finding,
  type ScanDocument,
  scanKey,
  type SuggestionDocument,
  suggestionKey,
  suggestionList,
} from '@worktrail/contract/suggestions';
import { createDocument, putVersioned, readDocument, replaceDocument, type Stored } from '@worktrail/runtime/buckets';
import { type Found, planSuggestions } from './plan-suggestions.ts';

export interface ProjectRef {
  organizationId: string;
  projectId: string;
}

export interface StoreFindingsInput extends Found {
  of: ProjectRef;
  /** The same for every attempt. */
  at: string;
}

export interface StoredFindings {
  added: number;
  updated: number;
  resolved: number;
  notKept: number;
}

const atOnceMax = 50;
const attemptsMax = 20;

export async function readKnownFindings(bucket: KV, of: ProjectRef): Promise<KnownFinding[]> {
  return (await readAll(bucket, of)).map(({ value: { fingerprint, kind, state, evidence, title } }) => ({
    ...{ fingerprint, kind, state },
    path: kind === 'model' ? (evidence[0]?.path ?? '') : '',
    title: kind === 'model' ? title : '',
  }));
}

export async function writeScan(bucket: KV, document: ScanDocument): Promise<void> {
  const key = scanKey(document.organizationId, document.projectId);
  if (await hasProject(bucket, document)) await putVersioned(bucket, key, document);
  if (!(await hasProject(bucket, document))) await bucket.delete(key);
}

export async function storeFindings(bucket: KV, { of, at, ...found }: StoreFindingsInput): Promise<StoredFindings> {
  const stored = await readAll(bucket, of);
  const plan = planSuggestions(
    stored.map(({ value }) => value),
    found,
    at,
  );
  await eachOf(plan.remove, (one) => remove(bucket, of, one.id));
  const worst = found.findings.toSorted((a, b) => a.score - b.score || (a.fingerprint < b.fingerprint ? -1 : 1));
  const ranks = new Map(worst.map(({ fingerprint }, rank) => [fingerprint, rank]));
  await eachOf(plan.add, (one) =>
    add(bucket, of, one, { commit: found.commit, at, rank: ranks.get(one.fingerprint)! }),
  );
  await eachOf(plan.change, (one) => change(bucket, of, one));
  if (!(await hasProject(bucket, of))) {
    for (const { value } of await readAll(bucket, of)) await remove(bucket, of, value.id);
    return { added: 0, updated: 0, resolved: 0, notKept: 0 };
  }
  // Of what is stored now, and not of the plan: of which an earlier attempt may have done a part.
  const now = (await readAll(bucket, of)).map(({ value }) => value).filter(({ updatedAt }) => updatedAt === at);
  const added = now.filter(({ createdAt }) => createdAt === at).length;
  const resolved = now.filter(({ state }) => state === 'resolved').length;
  return { added, resolved, updated: now.length - added - resolved, notKept: plan.notKept };
}

async function readAll(bucket: KV, { organizationId, projectId }: ProjectRef): Promise<Stored<SuggestionDocument>[]> {
  const list = suggestionList(projectId);
  const ids: string[] = [];
  for await (const key of await bucket.keys(`${list}.*`)) ids.push(key.slice(list.length + 1));
  const found: Stored<SuggestionDocument>[] = [];
  await eachOf(ids.toSorted(), async (id) => {
    const stored = await readDocument<SuggestionDocument>(bucket, suggestionKey(organizationId, id));
    if (stored) found.push(stored);
  });
  return found;
}

/** The better one has the greater id, for lists show what is newest first. */
function idOf(at: string, rank: number, fingerprint: string): string {
  const entropy = createHash('sha256').update(fingerprint).digest().subarray(0, 10);
  entropy[0] = (rank >> 8) & 0x0f;
  entropy[1] = rank & 0xff;
  return idFrom('suggestion', Date.parse(at), entropy);
}

async function add(
  bucket: KV,
  { organizationId, projectId }: ProjectRef,
  finding: Finding,
  { commit, at, rank }: { commit: string; at: string; rank: number },
): Promise<void> {
  const id = idOf(at, rank, finding.fingerprint);
  const document: SuggestionDocument = {
    ...finding,
    ...{ id, organizationId, projectId, commit },
    ...{ state: 'open', reason: null, decidedBy: null, accepted: null },
    ...{ createdAt: at, updatedAt: at },
  };
  await createDocument(bucket, `${suggestionList(projectId)}.${id}`, {});
  await createDocument(bucket, suggestionKey(organizationId, id), document);
}

async function change(bucket: KV, { organizationId }: ProjectRef, next: SuggestionDocument): Promise<void> {
  const key = suggestionKey(organizationId, next.id);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const stored = await readDocument<SuggestionDocument>(bucket, key);
    if (!stored || !['open', 'resolved'].includes(stored.value.state)) return;
    if ((await replaceDocument(bucket, key, next, stored.revision)) !== undefined) return;
  }
  throw new Error(`suggestion ${next.id} is being changed by too many at once`);
}

async function remove(bucket: KV, { organizationId, projectId }: ProjectRef, id: string): Promise<void> {
  await bucket.delete(suggestionKey(organizationId, id));
  await bucket.delete(`${suggestionList(projectId)}.${id}`);
}

async function hasProject(bucket: KV, { organizationId, projectId }: ProjectRef): Promise<boolean> {
  return (await readDocument(bucket, projectKey(organizationId, projectId))) !== undefined;
}

async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += atOnceMax) {
    await Promise.all(items.slice(from, from + atOnceMax).map(work));
  }
}
