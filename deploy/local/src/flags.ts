/** The command line of `npm start -- …`. */
import { parseArgs } from 'node:util';

export interface Flags {
  stateDirectory: string | undefined;
  /** Of the API. */
  port: number | undefined;
  once: boolean;
  help: boolean;
  /** Undefined: as the situation asks (on the first start, and with --once). */
  demo: boolean | undefined;
}

export const USAGE = `Usage: npm start -- [options]

Starts Worktrail on this machine and keeps it running until Ctrl-C.

  --state DIR   where everything is kept (default: $WORKTRAIL_HOME, else .worktrail in the clone)
  --port N      where the API listens (default: 7460, or another port where that is taken)
  --demo        run the demonstration, also when this is not the first start
  --no-demo     do not run the demonstration
  --once        run the demonstration, then stop; exit code 0 when everything in it worked
  --help        print this
`;

/** Flags, or one sentence that says what is wrong with them. */
export function parseFlags(args: string[]): Flags | string {
  try {
    const { values } = parseArgs({
      args,
      options: {
        state: { type: 'string' },
        port: { type: 'string' },
        demo: { type: 'boolean' },
        'no-demo': { type: 'boolean' },
        once: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.demo && values['no-demo']) return '--demo and --no-demo contradict each other.';
    if (values.state === '') return '--state needs a directory.';
    if (values.port !== undefined && !isPort(values.port)) return '--port needs a number from 1 to 65535.';
    return {
      stateDirectory: values.state,
      port: values.port === undefined ? undefined : Number(values.port),
      once: values.once ?? false,
      help: values.help ?? false,
      demo: values['no-demo'] ? false : values.demo,
    };
  } catch (error) {
    return (error as Error).message.split('. ', 1)[0] ?? 'The options cannot be read';
  }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

/** Whether this start runs the demonstration. */
export function wantsDemo(flags: Flags, isFirstStart: boolean): boolean {
  return flags.demo ?? (flags.once || isFirstStart);
}
