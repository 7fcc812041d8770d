import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { imageLabels } from '@worktrail/contract/sandbox-image';
import { createLogger } from '@worktrail/runtime/log';
import { makeScratch } from '@worktrail/testing/scratch';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checkPackages, createDerivedImages, derivedImageName, errorLines } from './derived-image.ts';
import type { SandboxDriver } from './sandbox-driver.ts';

test('the same packages in any order are the same image', () => {
  const one = checkPackages(['make', 'gcc', 'make']);
  expect(one).toEqual(['gcc', 'make']);
  expect(derivedImageName('sha256:a', one)).toBe(derivedImageName('sha256:a', checkPackages(['gcc', 'make'])));
  expect(derivedImageName('sha256:a', one)).not.toBe(derivedImageName('sha256:b', one));
  expect(derivedImageName('sha256:a', one)).not.toBe(derivedImageName('sha256:a', ['gcc']));
});

test('a package may be pinned to a version, as the API takes it', () => {
  expect(checkPackages(['tree=2.1.0-1', 'git=1:2.39.5-0+deb12u2'])).toEqual(['git=1:2.39.5-0+deb12u2', 'tree=2.1.0-1']);
});

test('what is no package name never reaches the builder', () => {
  for (const name of [
    '--option',
    'a;b',
    'UPPER',
    'a,b',
    '',
    'x',
    'a b',
    '$(id)',
    'tree=',
    'tree=1,git',
    'tree=1 git',
  ]) {
    expect(() => checkPackages([name]), name).toThrow(expect.objectContaining({ code: 'packages_failed' }));
  }
});

test("a failed build tells apt's own error", () => {
  const stderr = [
    'I: running apt-get update...',
    'E: Unable to locate package no-such',
    'E: setup failed: E: apt-get --yes install no-such failed',
    'E: mmdebstrap failed to run',
  ].join('\n');
  expect(errorLines(stderr)).toBe('E: Unable to locate package no-such');
});

test('the builder is told where programs are and how to reach the network, and no secret of the runner', async () => {
  const scratch = await makeScratch('derived-image');
  onTestFinished(async () => {
    vi.unstubAllEnvs();
    await scratch.remove();
  });
  const bin = join(scratch.path, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'mmdebstrap'), `#!/bin/sh\nenv > '${scratch.path}/told'\nexit 1\n`);
  await chmod(join(bin, 'mmdebstrap'), 0o755);
  vi.stubEnv('PATH', `${bin}${delimiter}${process.env['PATH']}`);
  vi.stubEnv('http_proxy', 'http://proxy:3128');
  vi.stubEnv('WORKTRAIL_INTERNAL_TOKEN', 'internal-secret');
  const driver = { findImage: async () => undefined } as Partial<SandboxDriver> as SandboxDriver;
  const { signal } = new AbortController();
  const log = createLogger({ service: 'test', level: 'silent' });
  const images = createDerivedImages({ driver, dataDirectory: scratch.path, log, signal });
  const base = { id: 'sha256:a', env: [], labels: { [imageLabels.packages]: 'bash git' } };
  await expect(images.ensure(base, 'base', ['tree'])).rejects.toMatchObject({ code: 'packages_failed' });
  const told = await readFile(join(scratch.path, 'told'), 'utf8');
  expect(told).toContain('http_proxy=http://proxy:3128\n');
  expect(told).not.toContain('internal-secret');
});
