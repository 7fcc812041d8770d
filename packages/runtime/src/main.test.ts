import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

/** Runs a service whose start is this code, with `lifetime` in scope. */
async function run(start: string): Promise<{ exitCode: number; output: string }> {
  const main = new URL('./main.ts', import.meta.url).href;
  const code = `
    const { runService } = await import(${JSON.stringify(main)});
    setInterval(() => {}, 1_000);
    await runService('test', async (_environment, lifetime) => {
      lifetime.onClose('part', () => process.stdout.write('closed\\n'));
      ${start}
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  const [output, [exitCode]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return { exitCode: exitCode as number, output };
}

test.each([
  ['a part that ends on its own', `setTimeout(() => lifetime.fail(new Error('the worker has ended')), 1);`],
  ['a failed start', `throw new Error('no');`],
])('%s ends the process, after its parts were closed', async (_, start) => {
  const { exitCode, output } = await run(start);
  expect(exitCode).toBe(1);
  expect(output).toContain('closed\n');
});

test('a part that ends because the service is stopped is no failure', async () => {
  const { exitCode } = await run(`
    lifetime.onClose('worker', () => lifetime.fail(new Error('ended')));
    setTimeout(() => process.kill(process.pid, 'SIGTERM'), 1);`);
  expect(exitCode).toBe(0);
});
