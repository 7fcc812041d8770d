// An inverted index as bytes: for each term, sorted by its UTF-8 bytes, the numbers of what has it and how often.
//
// It is read as it lies in the file, without a pass over it: opening a large one takes no time and no memory beside its bytes.

const encodeScratchBytes = 65_536;

export interface PostingBytes {
  /** Where each term's bytes begin, and where the last ends. */
  termOffsets: Uint32Array;
  terms: Uint8Array;
  /** The same for its list. */
  listOffsets: Uint32Array;
  /** For each number the distance to the one before, doubled, and 1 more where it stands alone for a count of 1; else the count follows. */
  lists: Uint8Array;
}

export interface PostingCollector {
  /** Numbers of one term come in ascending order; the same one again adds to its count. */
  add(term: string, number: number, count?: number): void;
  /** So many terms. */
  size(): number;
  encode(): PostingBytes;
}

export function createPostingCollector(): PostingCollector {
  const lists = new Map<string, number[]>();
  return {
    add(term, number, count = 1) {
      const list = lists.get(term);
      if (!list) {
        lists.set(term, [number, count]);
        return;
      }
      const last = list.length - 2;
      if (list[last] === number) list[last + 1]! += count;
      else list.push(number, count);
    },
    size: () => lists.size,
    encode() {
      const sorted = [...lists].map(([term, list]) => ({ bytes: Buffer.from(term), list }));
      sorted.sort((one, two) => Buffer.compare(one.bytes, two.bytes));
      const termOffsets = new Uint32Array(sorted.length + 1);
      const listOffsets = new Uint32Array(sorted.length + 1);
      const writer = createVarintWriter();
      for (const [index, { bytes, list }] of sorted.entries()) {
        termOffsets[index + 1] = termOffsets[index]! + bytes.length;
        let before = 0;
        for (let at = 0; at < list.length; at += 2) {
          const count = list[at + 1]!;
          writer.put((list[at]! - before) * 2 + (count === 1 ? 1 : 0));
          if (count !== 1) writer.put(count);
          before = list[at]!;
        }
        listOffsets[index + 1] = writer.length();
      }
      return {
        termOffsets,
        terms: Buffer.concat(sorted.map(({ bytes }) => bytes)),
        listOffsets,
        lists: writer.bytes(),
      };
    },
  };
}

/** Calls `take` with each number and count. False where nothing has the term. */
export function forEachPosting(
  postings: PostingBytes,
  term: Uint8Array,
  take: (number: number, count: number) => void,
): boolean {
  const index = findTerm(postings, term);
  if (index === undefined) return false;
  readList(postings, index, take);
  return true;
}

export function forEachList(
  postings: PostingBytes,
  take: (term: string, each: (takePosting: (number: number, count: number) => void) => void) => void,
): void {
  const { termOffsets, terms } = postings;
  const text = Buffer.from(terms.buffer, terms.byteOffset, terms.byteLength);
  for (let index = 0; index + 1 < termOffsets.length; index++) {
    const term = text.toString('utf8', termOffsets[index]!, termOffsets[index + 1]!);
    take(term, (takePosting) => readList(postings, index, takePosting));
  }
}

function findTerm({ termOffsets, terms }: PostingBytes, term: Uint8Array): number | undefined {
  const bytes = Buffer.from(terms.buffer, terms.byteOffset, terms.byteLength);
  let low = 0;
  let high = termOffsets.length - 2;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = bytes.compare(term, 0, term.length, termOffsets[middle]!, termOffsets[middle + 1]!);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return undefined;
}

function readList(
  { listOffsets, lists }: PostingBytes,
  index: number,
  take: (number: number, count: number) => void,
): void {
  let at = listOffsets[index]!;
  const end = listOffsets[index + 1]!;
  let number = 0;
  const next = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = lists[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  while (at < end) {
    const head = next();
    number += Math.floor(head / 2);
    take(number, head % 2 === 1 ? 1 : next());
  }
}

function createVarintWriter() {
  const done: Buffer[] = [];
  let scratch = Buffer.allocUnsafe(encodeScratchBytes);
  let used = 0;
  let written = 0;
  return {
    put(number: number): void {
      if (used + 8 > scratch.length) {
        done.push(scratch.subarray(0, used));
        scratch = Buffer.allocUnsafe(encodeScratchBytes);
        used = 0;
      }
      const from = used;
      let rest = number;
      while (rest >= 128) {
        scratch[used++] = (rest % 128) | 0x80;
        rest = Math.floor(rest / 128);
      }
      scratch[used++] = rest;
      written += used - from;
    },
    length: () => written,
    bytes: () => Buffer.concat([...done, scratch.subarray(0, used)]),
  };
}
