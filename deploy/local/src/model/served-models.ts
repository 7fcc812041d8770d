/** The models that a server lists which speaks OpenAI's API: none where it does not say. */
import { z } from 'zod';

const TIMEOUT_MS = 5_000;
const ANSWER_BYTES_MAX = 1024 * 1024;

const listSchema = z.object({ data: z.array(z.object({ id: z.string().min(1).max(150) })) });

export async function listServedModels(url: string, key: string | undefined): Promise<string[]> {
  try {
    const response = await fetch(`${url.replace(/\/+$/, '')}/models`, {
      headers: { accept: 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok || !response.body) return [];
    return listSchema.parse(JSON.parse(await readBounded(response.body))).data.map(({ id }) => id);
  } catch {
    // It need not have a list, nor be up yet.
    return [];
  }
}

async function readBounded(body: ReadableStream<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the list is over ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
