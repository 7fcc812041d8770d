// Colours, where they are wanted: on a terminal, unless NO_COLOR is set.

type Paint = (text: string) => string;

export interface Style {
  bold: Paint;
  dim: Paint;
  red: Paint;
  green: Paint;
  yellow: Paint;
  cyan: Paint;
}

export function wantsColour(isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  return isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

export function createStyle(coloured: boolean): Style {
  const paint = (on: number, off: number): Paint =>
    coloured ? (text) => `\u001b[${on}m${text}\u001b[${off}m` : (text) => text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
    cyan: paint(36, 39),
  };
}

/** Green for what is well, red for what failed, yellow for what is under way. */
export function paintState(style: Style, state: string): Paint {
  if (['ready', 'passed', 'completed', 'ok', 'running', 'done', 'mergeable', 'merged'].includes(state))
    return style.green;
  if (['failed', 'canceled', 'down', 'not ready', 'conflicted', 'checks_failed', 'rejected'].includes(state))
    return style.red;
  if (['archived', 'closed', 'hibernated', 'pending', ''].includes(state)) return style.dim;
  return style.yellow;
}
