/**
 * Renders progress on a terminal or into a file: one line per step, `✓ title  detail  1.2 s`.
 * Colour appears only on a TTY and only without NO_COLOR.
 */
import type { ProgressEvent, Report } from './progress.ts';

export interface Style {
  green(text: string): string;
  red(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

export function createStyle(colour: boolean): Style {
  const paint = (code: number) => (text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { green: paint(32), red: paint(31), dim: paint(2), bold: paint(1) };
}

/** https://no-color.org: any non-empty value switches colour off. */
export function wantsColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && !env.NO_COLOR;
}

export function formatProgress(event: ProgressEvent, style: Style): string {
  if (event.kind === 'note') return `  ${event.title}`;
  const mark = event.kind === 'done' ? style.green('✓') : style.red('✗');
  const detail = event.detail === '' ? '' : `  ${style.dim(event.detail)}`;
  return `${mark} ${event.title}${detail}  ${style.dim(formatSeconds(event.elapsedMs))}`;
}

export function formatSeconds(elapsedMs: number): string {
  return `${(elapsedMs / 1000).toFixed(1)} s`;
}

export function createTerminalReport(write: (text: string) => void, style: Style): Report {
  return (event) => write(`${formatProgress(event, style)}\n`);
}
