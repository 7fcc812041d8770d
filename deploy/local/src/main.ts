/** `npm start`: flags, signals, what is printed, the exit code. 0: as asked; 1: something failed; 2: wrong flags. */
import { type Cluster, ClusterRunningError, startCluster } from './cluster.ts';
import { REPOSITORY_DIRECTORY } from './cluster-plan.ts';
import type { Connection } from './connection-file.ts';
import { runDemo } from './demo.ts';
import { type Flags, parseFlags, USAGE, wantsDemo } from './flags.ts';
import { describeModel } from './model/model-choice.ts';
import { chooseStateDirectory } from './state-directory.ts';
import { listenForStopRequests, type StopRequests } from './stop-requests.ts';
import { createStyle, createTerminalReport, formatSeconds, wantsColour } from './terminal.ts';

const style = createStyle(wantsColour(process.stdout, process.env));
const print = (text: string) => void process.stdout.write(text);
const report = createTerminalReport(print, style);

async function main(args: string[]): Promise<number> {
  process.stdout.on('error', () => undefined); // a reader that went away must not stop the cluster
  const flags = parseFlags(args);
  if (typeof flags === 'string') {
    process.stderr.write(`${flags}\n\n${USAGE}`);
    return 2;
  }
  if (flags.help) {
    print(USAGE);
    return 0;
  }
  const requests = listenForStopRequests(process, () => performance.now());
  try {
    return await runUntilStopped(flags, requests);
  } catch (error) {
    if (error instanceof ClusterRunningError) return await useRunningCluster(error, flags, requests);
    process.stderr.write(`\n${(error as Error).message}\n`);
    return 1;
  }
}

async function runUntilStopped(flags: Flags, requests: StopRequests): Promise<number> {
  const startedAt = performance.now();
  const stateDirectory = chooseStateDirectory(flags.stateDirectory, process.env, REPOSITORY_DIRECTORY);
  print(`${style.bold('Worktrail')} ${style.dim(stateDirectory)}\n`);
  const options = { stateDirectory, port: flags.port, onProgress: report, projectForClone: true, choosesModel: true };
  const cluster = await startCluster(options, requests.asked).catch((error) => {
    if (!requests.asked.aborted || error instanceof ClusterRunningError) throw error;
    throw new Error('Stopped before everything was up.', { cause: error });
  });
  printAddress(cluster, performance.now() - startedAt);
  const stopped = stopOnRequest(cluster, requests);
  stopped.catch(() => undefined); // told where it is awaited
  let succeeded = true;
  if (wantsDemo(flags, cluster.isFirstStart)) succeeded = await demonstrate(cluster.connection, requests.asked);
  if (flags.once) requests.ask();
  if (!requests.asked.aborted) print(`${style.dim('Ctrl-C stops Worktrail; sessions and their history stay.')}\n`);
  await stopped;
  return flags.once && !succeeded ? 1 : 0;
}

function stopOnRequest(cluster: Cluster, requests: StopRequests): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      print('\nStopping; a second Ctrl-C does not wait.\n');
      requests.urged.addEventListener('abort', () => void cluster.stop(), { once: true });
      cluster.stop().then(resolve, reject);
    };
    if (requests.asked.aborted) stop();
    else requests.asked.addEventListener('abort', stop, { once: true });
  });
}

function printAddress({ connection, isFirstStart, model, state }: Cluster, elapsedMs: number): void {
  print(`\n${style.green('Worktrail is up')} at ${style.bold(connection.apiUrl)} after ${formatSeconds(elapsedMs)}.\n`);
  const keyPath = `${state.secrets}/api-key`;
  if (isFirstStart) print(`API key (shown this once, kept in ${keyPath}): ${connection.apiKey}\n`);
  else print(`${style.dim(`API key: ${keyPath}`)}\n`);
  if (model) print(`${(model.kind === 'named' ? style.dim : style.bold)(describeModel(model))}\n`);
}

async function demonstrate(connection: Connection, signal: AbortSignal): Promise<boolean> {
  try {
    return await runDemo(connection, { output: process.stdout, env: process.env, signal });
  } catch (error) {
    if (!signal.aborted) process.stderr.write(`The demonstration failed: ${(error as Error).message}\n`);
    return false;
  }
}

/** A second start says where the first is; with --demo it demonstrates there. It never stops what it did not start. */
async function useRunningCluster(
  { message, connection }: ClusterRunningError,
  flags: Flags,
  requests: StopRequests,
): Promise<number> {
  print(`${message}\n`);
  if (flags.once) {
    process.stderr.write(
      '--once starts and stops a cluster of its own: stop that one first, or name another --state.\n',
    );
    return 1;
  }
  if (flags.demo !== true) return 0;
  if (connection === null) return 1;
  return (await demonstrate(connection, requests.asked)) ? 0 : 1;
}

// Child processes and signal handlers alone do not keep this process alive.
const keepAlive = setInterval(() => undefined, 60_000);
const exitCode = await main(process.argv.slice(2));
clearInterval(keepAlive);
process.exit(exitCode);
