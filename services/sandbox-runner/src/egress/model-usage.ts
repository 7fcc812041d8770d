// Reads what a call of a model cost in tokens out of its answer as that passes by.
//
// 1. At most `heldBytesMax` of an answer are held; where more would be needed there is no usage, and the answer passes all the same.
// 2. Of figures that come several times, growing, the last counts.
// 3. Input tokens are all of them, those from a cache too.

const heldBytesMax = 4 * 1024 * 1024;

export interface ModelUsage {
  model: string;
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
}

export interface UsageReader {
  push(chunk: Buffer): void;
  /** What is known until now; undefined: nothing was said of usage. */
  usage(): ModelUsage | undefined;
}

export function createUsageReader(contentType: string): UsageReader {
  return /^text\/event-stream\b/i.test(contentType) ? readStream() : readDocument();
}

function readStream(): UsageReader {
  const found = createFigures();
  let line: Buffer[] = [];
  let held = 0;
  let isSkipped = false;

  function end(rest: Buffer): void {
    if (!isSkipped) {
      const text = Buffer.concat([...line, rest]).toString('utf8');
      if (text.startsWith('data:') && mentionsUsage(text)) found.take(parse(text.slice(5)));
    }
    line = [];
    held = 0;
    isSkipped = false;
  }

  return {
    push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
        end(chunk.subarray(from, at));
        from = at + 1;
      }
      const rest = chunk.subarray(from);
      held += rest.length;
      if (held > heldBytesMax) isSkipped = true;
      if (isSkipped) line = [];
      else if (rest.length > 0) line.push(Buffer.from(rest));
    },
    usage: () => found.usage(),
  };
}

function readDocument(): UsageReader {
  let chunks: Buffer[] = [];
  let held = 0;
  return {
    push(chunk) {
      held += chunk.length;
      if (held > heldBytesMax) chunks = [];
      else chunks.push(Buffer.from(chunk));
    },
    usage() {
      const found = createFigures();
      const document = parse(Buffer.concat(chunks).toString('utf8'));
      for (const part of Array.isArray(document) ? document : [document]) found.take(part);
      return found.usage();
    },
  };
}

function mentionsUsage(text: string): boolean {
  return text.includes('"usage') || text.includes('"model');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Fields = Record<string, unknown>;

function createFigures() {
  let model = '';
  let isKnown = false;
  const total = { input: 0, output: 0, cached: 0 };

  function takeUsage(usage: Fields): void {
    isKnown = true;
    const input = Math.max(numberAt(usage, 'prompt_tokens'), numberAt(usage, 'promptTokenCount'));
    const details = fieldsAt(usage, 'prompt_tokens_details') ?? fieldsAt(usage, 'input_tokens_details');
    // Anthropic counts what came from a cache, and went into one, apart.
    const read = numberAt(usage, 'cache_read_input_tokens');
    const written = numberAt(usage, 'cache_creation_input_tokens');
    const output = Math.max(
      numberAt(usage, 'completion_tokens'),
      numberAt(usage, 'output_tokens'),
      numberAt(usage, 'candidatesTokenCount') + numberAt(usage, 'thoughtsTokenCount'),
    );
    total.input = Math.max(total.input, input, numberAt(usage, 'input_tokens') + read + written);
    total.output = Math.max(total.output, output);
    total.cached = Math.max(
      total.cached,
      read,
      details ? numberAt(details, 'cached_tokens') : 0,
      numberAt(usage, 'cachedContentTokenCount'),
    );
  }

  return {
    take(part: unknown): void {
      if (!isFields(part)) return;
      for (const holder of [part, fieldsAt(part, 'message'), fieldsAt(part, 'response')]) {
        if (!holder) continue;
        const named = holder['model'] ?? holder['modelVersion'];
        if (typeof named === 'string' && named !== '') model = named.slice(0, 200);
        const usage = fieldsAt(holder, 'usage') ?? fieldsAt(holder, 'usageMetadata');
        if (usage) takeUsage(usage);
      }
    },
    usage: (): ModelUsage | undefined =>
      isKnown
        ? { model, inputTokens: total.input, outputTokens: total.output, cachedInputTokens: total.cached }
        : undefined,
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fieldsAt(fields: Fields, name: string): Fields | undefined {
  const value = fields[name];
  return isFields(value) ? value : undefined;
}

function numberAt(fields: Fields, name: string): number {
  const value = fields[name];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0;
}
