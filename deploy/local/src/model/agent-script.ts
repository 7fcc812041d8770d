/**
 * What the scripted model says when it is asked for what the demonstration asks: it looks, writes a program and its test, runs it, mends
 * what the test found, and tells what came of it. Only the sandbox is real: files, commands and their output are what they are.
 */
export const AGENT_MESSAGE =
  'Write a program that finds links in our Markdown files that lead nowhere. Test it, then run it over this repository.';

/** One answer of the model. */
export interface ScriptedStep {
  reasoning?: string;
  content?: string;
  calls?: { name: string; input: Record<string, unknown> }[];
}

export const PROGRAM_PATH = 'tools/check_links.py';
export const TEST_PATH = 'tools/check_links_test.py';
const TEST_COMMAND = 'python3 -B -m unittest check_links_test';

export const PROGRAM = `"""Names the links in this repository's Markdown files that lead to no file."""
import pathlib
import re
import subprocess

LINK = re.compile(r'\\]\\(([^)\\s]+)\\)')


def is_dead(page, target):
    if re.match(r'[a-z]+:', target):
        return False
    return not (page.parent / target).exists()


def dead_links(page):
    text = page.read_text(encoding='utf-8', errors='replace')
    return [target for target in LINK.findall(text) if is_dead(page, target)]


if __name__ == '__main__':
    names = subprocess.check_output(['git', 'ls-files', '-z', '*.md'], text=True).split('\\0')[:-1]
    found = [(name, target) for name in names for target in dead_links(pathlib.Path(name))]
    for name, target in found:
        print(f'{name}: {target}')
    print(f'{len(names)} files, {len(found)} links that lead nowhere')
`;

export const TEST = `import pathlib
import tempfile
import unittest

from check_links import dead_links


class DeadLinks(unittest.TestCase):
    def found(self, text):
        with tempfile.TemporaryDirectory() as directory:
            page = pathlib.Path(directory, 'page.md')
            pathlib.Path(directory, 'there.md').write_text('# Part')
            page.write_text(text)
            return dead_links(page)

    def test_a_file_that_is_there_is_fine(self):
        self.assertEqual(self.found('[a](there.md)'), [])

    def test_a_file_that_is_not_there_is_named(self):
        self.assertEqual(self.found('[a](gone.md) and [b](there.md)'), ['gone.md'])

    def test_a_web_address_is_not_looked_up(self):
        self.assertEqual(self.found('[a](https://example.org/x)'), [])

    def test_a_place_within_a_page_is_fine(self):
        self.assertEqual(self.found('[a](there.md#part) and [b](#here)'), [])
`;

export const EDIT = {
  find: '    return not (page.parent / target).exists()',
  replace: `    path = target.split('#')[0]
    return path != '' and not (page.parent / path).exists()`,
};

function plan(...states: ('open' | 'active' | 'done')[]) {
  const texts = ['see how the pages link', 'write the program and its test', 'run it over the repository'];
  return { name: 'update_plan', input: { items: texts.map((text, index) => ({ text, state: states[index] })) } };
}

/** undefined: it has nothing more to say. @param lastResult what the newest tool has answered. */
export function agentStep(step: number, lastResult: string): ScriptedStep | undefined {
  switch (step) {
    case 0:
      return {
        reasoning: 'Before I write anything I want to know which pages there are, and what their links look like.',
        content: 'First I look at what there is.',
        calls: [
          plan('active', 'open', 'open'),
          {
            name: 'run_command',
            input: {
              command: "git ls-files '*.md' | wc -l; grep -rhoE '\\]\\([^)]+\\)' --include='*.md' . | head -n 6",
            },
          },
          { name: 'read_file', input: { path: 'README.md', firstLine: 1, lines: 20 } },
        ],
      };
    case 1:
      return {
        content:
          'Relative paths, web addresses and places within a page. I write the program, and a test with one of each.',
        calls: [
          plan('done', 'active', 'open'),
          { name: 'write_file', input: { path: PROGRAM_PATH, content: PROGRAM } },
          { name: 'write_file', input: { path: TEST_PATH, content: TEST } },
          { name: 'run_command', input: { command: TEST_COMMAND, cwd: 'tools' } },
        ],
      };
    case 2:
      return {
        reasoning:
          'One test fails: "there.md#part" is taken for the name of a file. What follows "#" is no part of the path.',
        content: 'The test is right: what follows "#" belongs to no file name. I mend that.',
        calls: [
          { name: 'edit_file', input: { path: PROGRAM_PATH, ...EDIT } },
          { name: 'run_command', input: { command: TEST_COMMAND, cwd: 'tools' } },
          plan('done', 'done', 'active'),
          { name: 'run_command', input: { command: `python3 -B ${PROGRAM_PATH} | tail -n 5` } },
        ],
      };
    case 3:
      return {
        content: explanation(lastResult),
        calls: [plan('done', 'done', 'done'), { name: 'finish', input: {} }],
      };
    default:
      return undefined;
  }
}

function explanation(lastResult: string): string {
  const found = /\d+ files, \d+ links that lead nowhere/.exec(lastResult)?.[0];
  return `${PROGRAM_PATH} names every link in a Markdown file that leads to no file; ${TEST_PATH} is its test.
The first version took "there.md#part" for the name of a file. Its test said so, and passes now.
${found ? `Over this repository it says: ${found}.` : 'What it says of this repository stands above.'}`;
}
