// What must hold before the cluster's own code can run; pure but for reading lock files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Sentences about what this machine lacks; none when it has everything. */
export function describeMissing(nodeVersion, platform, hasProgram) {
  const missing = [];
  if (Number(nodeVersion.split('.')[0]) < 20) {
    missing.push(
      `Node ${nodeVersion} is too old: npm start needs Node 20 or later (apt-get install nodejs, or nodejs.org).`,
    );
  }
  if (platform !== 'linux')
    missing.push(`The embedded cluster runs on Linux, not on ${platform}: use a Linux machine or VM.`);
  if (!hasProgram('git')) missing.push('git is missing: apt-get install git.');
  if (!hasProgram('npm')) missing.push('npm is missing: it comes with Node (apt-get install npm).');
  return missing;
}

/** Why `npm ci` is needed, or null. Compares what the lock file asks for with what npm recorded as installed. */
export function installedPackagesProblem(root) {
  const wanted = readLock(join(root, 'package-lock.json'));
  if (wanted === null) throw new Error(`${root}/package-lock.json is missing or broken: this is no complete clone.`);
  const installed = readLock(join(root, 'node_modules/.package-lock.json'));
  if (installed === null) return 'node_modules is missing';
  return comparePackages({ ...wanted, ...workspaceManifests(root, wanted) }, installed);
}

/** What the workspaces ask for now; the lock file may still tell what they once asked for. */
function workspaceManifests(root, wanted) {
  const folders = Object.keys(wanted).filter((path) => packageName(path) === null);
  return Object.fromEntries(folders.map((path) => [path, readJson(join(root, path, 'package.json')) ?? wanted[path]]));
}

/** Both as `packages` of a lock file: path to entry. What no workspace leads to is left out: npm does not install it. */
export function comparePackages(wanted, installed) {
  const needed = reachableNames(wanted);
  for (const [path, entry] of Object.entries(wanted)) {
    const name = packageName(path);
    if (name === null || !needed.has(name)) continue;
    const found = installed[path];
    const mayBeAbsent = entry.optional || entry.devOptional || entry.peer;
    if (!found && !mayBeAbsent) return `${path} is missing`;
    if (found && found.version !== entry.version) return `${path} is ${found.version}, not ${entry.version}`;
  }
  return null;
}

/** The name of an installed package, null for a workspace's own folder. */
function packageName(path) {
  const at = path.lastIndexOf('node_modules/');
  return at < 0 ? null : path.slice(at + 'node_modules/'.length);
}

/** The names that the root and its workspaces depend on, directly or through others. */
function reachableNames(packages) {
  const entriesByName = new Map();
  const waiting = [];
  for (const [path, entry] of Object.entries(packages)) {
    const name = packageName(path);
    if (name === null) waiting.push(entry);
    else entriesByName.set(name, [...(entriesByName.get(name) ?? []), entry]);
  }
  const names = new Set();
  for (let entry = waiting.pop(); entry; entry = waiting.pop()) {
    const kinds = [entry.dependencies, entry.devDependencies, entry.optionalDependencies, entry.peerDependencies];
    for (const name of kinds.flatMap((kind) => Object.keys(kind ?? {}))) {
      if (names.has(name)) continue;
      names.add(name);
      waiting.push(...(entriesByName.get(name) ?? []));
    }
  }
  return names;
}

/** What is wrong with the Node that the packages carry; `version` is what it prints, null when it is not there. */
export function packagedNodeProblem(version) {
  const advice =
    'Node 24 comes with the npm package "node", whose install script must be allowed (allowScripts in package.json).';
  if (version === null) return `node_modules/.bin/node is missing. ${advice} Run npm ci.`;
  const text = String(version).trim();
  return text.startsWith('v24.')
    ? null
    : `node_modules/.bin/node is ${text || 'not runnable'}, not Node 24. ${advice} Run npm ci.`;
}

function readLock(path) {
  return readJson(path)?.packages ?? null;
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
