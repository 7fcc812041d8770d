// A use of a tool as one line: what it is asked to do. The input is the model's: it need be no JSON, and fit nothing.

import { visible } from '../screen/visible-text.ts';

const textColumnsMax = 160;

/** "run_command  npm test". */
export function toolLine(tool: string, inputJson: string): string {
  const input = readInput(inputJson);
  const about = input === null ? inputJson : aboutOf(input);
  return [visible(tool), visible(about.slice(0, 4 * textColumnsMax))].filter(Boolean).join('  ');
}

function readInput(inputJson: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(inputJson);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** The fields that say most, of the built-in tools and of those that other agents have. */
function aboutOf(input: Record<string, unknown>): string {
  const text = (name: string) => (typeof input[name] === 'string' ? input[name] : '');
  const command = text('command');
  if (command) return `$ ${command}${text('cwd') && `  in ${text('cwd')}`}`;
  const sought = text('pattern') || text('query');
  const path = text('path') || text('file_path') || text('filePath');
  if (sought) return `"${sought}"${path && ` in ${path}`}`;
  if (path) return `${path}${linesOf(input)}`;
  const patched = [...text('patch').matchAll(/^\+\+\+ (?:b\/)?(.+)$/gm)].map(([, name]) => name);
  if (patched.length > 0) return patched.join(' ');
  // The plan is an event of its own, right after.
  if (Array.isArray(input['items'])) return '';
  return Object.keys(input).length > 0 ? JSON.stringify(input) : '';
}

function linesOf({ firstLine, lines }: Record<string, unknown>): string {
  if (typeof firstLine !== 'number') return '';
  return typeof lines === 'number' ? `:${firstLine}-${firstLine + lines - 1}` : `:${firstLine}`;
}
