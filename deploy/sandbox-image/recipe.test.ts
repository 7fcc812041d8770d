import { expect, test } from 'vitest';
import { imageTag, mmdebstrapArguments, recipeHash, sandboxImageRecipe } from './recipe.ts';

const recipe = sandboxImageRecipe('x64');

test('the same recipe always has the same tag', () => {
  expect(imageTag(sandboxImageRecipe('x64'))).toBe(imageTag(recipe));
  expect(imageTag(recipe)).toMatch(/^worktrail-sandbox:[0-9a-f]{12}$/);
});

test('every part of the recipe changes the tag', () => {
  const variants = [
    { ...recipe, suite: 'trixie' },
    { ...recipe, architecture: 'arm64' },
    { ...recipe, packages: [...recipe.packages, 'make'] },
    { ...recipe, finish: [] },
    { ...recipe, excludedPaths: [] },
    { ...recipe, changes: [] },
  ];
  const hashes = new Set([recipe, ...variants].map(recipeHash));
  expect(hashes.size).toBe(variants.length + 1);
});

test('the image has what a session needs at least', () => {
  const needed = ['git', 'ca-certificates', 'bash', 'coreutils', 'procps', 'util-linux', 'python3', 'ripgrep'];
  expect(recipe.packages).toEqual(expect.arrayContaining(needed));
});

test('mmdebstrap is told the packages, the suite and where to write', () => {
  const args = mmdebstrapArguments(recipe, '/state/image.tar');
  expect(args).toContain(`--include=${recipe.packages.join(',')}`);
  expect(args.slice(-2)).toEqual(['bookworm', '/state/image.tar']);
});
