import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { controlLineBytesMax, controlLines } from './supervisor-control.ts';
import { createRunDirectory, openSupervisorLink, type SupervisorLink } from './supervisor-link.ts';
import { argumentBytesMax, type CommandSpec, encodeRequest } from './supervisor-request.ts';

const id = `cmd_${'0'.repeat(26)}`;
const spec: CommandSpec = { id, argv: ['/bin/true'], env: { A: '1' }, cwd: '/workspace' };
const invalid = expect.objectContaining({ code: 'supervisor_request_invalid', retryable: false });

describe('a request', () => {
  it('lists its entries, each ended by a NUL, between version and end', () => {
    const bytes = encodeRequest({ ...spec, argv: ['a', 'b c'], timeoutMs: 5, stdin: 'file', origin: 'internal' });
    const entries = ['worktrail-request=1', 'argv=a', 'argv=b c', 'env=A=1', 'cwd=/workspace'];
    const rest = ['timeoutMs=5', 'stdin=file', 'origin=internal', 'end=', ''];
    expect(bytes.toString()).toBe([...entries, ...rest].join('\0'));
  });

  it('is refused here for what the supervisor would refuse', () => {
    const bad: Partial<CommandSpec>[] = [
      { id: '../../etc/passwd' },
      { argv: [] },
      { argv: [''] },
      { argv: ['a\0b'] },
      { argv: ['x'.repeat(argumentBytesMax + 1)] },
      { argv: Array.from({ length: 4097 }, () => 'x') },
      { env: { 'A=B': 'c' } },
      { env: { '': 'c' } },
      { cwd: 'relative' },
      { root: '' },
      { timeoutMs: -1 },
      { graceMs: 1.5 },
      { unackedBytesMax: 0 },
      { argv: Array.from({ length: 9 }, () => 'x'.repeat(argumentBytesMax)) },
    ];
    for (const more of bad) expect(() => encodeRequest({ ...spec, ...more })).toThrowError(invalid);
  });
});

describe('a cancel line', () => {
  it('is one short line, whatever the reason', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 260 }), (reason) => {
        const line = controlLines.cancel(id, 5, reason);
        expect(line).toMatch(/^cancel cmd_0+ 5 [^\n\0]+$/);
        expect(Buffer.byteLength(line)).toBeLessThan(controlLineBytesMax / 2);
      }),
      { numRuns: 30 },
    );
  });
});

describe('a link', () => {
  let directory: string;
  let link: SupervisorLink;
  let sent: string[];
  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'wt-link-')), 'run');
    await createRunDirectory(directory);
    sent = [];
    link = openSupervisorLink({ runDirectory: directory, send: async (line) => void sent.push(line) });
  });
  afterEach(async () => {
    link.close();
    await rm(join(directory, '..'), { recursive: true, force: true });
  });

  it('has a directory that only its owner can enter, made again without harm', async () => {
    await createRunDirectory(directory);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect((await readdir(directory)).sort()).toEqual(['journals', 'requests', 'stdin']);
  });

  it('says after its time that nobody starts the command, having kept the request', async () => {
    const waiting = link.start(spec, { timeoutMs: 50 });
    await expect(waiting).rejects.toMatchObject({ code: 'supervisor_unresponsive', retryable: true });
    expect(sent).toEqual([`start ${id}`]);
    expect(await readFile(join(directory, 'requests', id))).toEqual(encodeRequest(spec));
  });

  it('never changes a request that is there', async () => {
    await writeFile(join(directory, 'requests', id), 'first');
    await link.start(spec, { timeoutMs: 20 }).catch(() => undefined);
    expect(await readFile(join(directory, 'requests', id), 'utf8')).toBe('first');
  });

  it('sees a boot id when it is written, and not before', async () => {
    expect(await link.bootId()).toBeNull();
    await expect(link.waitForBoot({ timeoutMs: 20 })).rejects.toMatchObject({ code: 'supervisor_unresponsive' });
    const waiting = link.waitForBoot({ timeoutMs: 10_000 });
    await writeFile(join(directory, 'boot'), `${'b'.repeat(32)}\n`);
    expect(await waiting).toBe('b'.repeat(32));
    await link.clearBoot();
    expect(await link.bootId()).toBeNull();
  });

  it('takes signals by number and by name, and refuses what is none', async () => {
    await link.signal(id, 'INT');
    await link.signal(id, 'SIGTERM');
    await link.signal(id, 10);
    expect(sent).toEqual([`signal ${id} 2`, `signal ${id} 15`, `signal ${id} 10`]);
    for (const signal of ['NOPE', 0, 65, 1.5]) await expect(link.signal(id, signal)).rejects.toThrowError(invalid);
  });

  it('writes no line for an id that is none', async () => {
    await expect(link.cancel('x', { graceMs: 0, reason: '' })).rejects.toThrowError(invalid);
    await expect(link.writeStdin('../boot', Buffer.from('x'))).rejects.toThrowError(invalid);
    await expect(link.removeCommand('..')).rejects.toThrowError(invalid);
    expect(sent).toEqual([]);
  });

  it('stops waiting when it is told to', async () => {
    const stop = new AbortController();
    const waiting = link.start(spec, { signal: stop.signal });
    stop.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
  });
});
