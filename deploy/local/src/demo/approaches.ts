/**
 * What the demonstration does: an inventory of this repository's TypeScript, made in two ways that must come to the same total.
 *
 * Both write files and commit nothing. Commands are for `sh`; short pauses between their lines let a reader follow.
 */
export interface Approach {
  title: string;
  commands: string[];
}

export const TASK = {
  title: "Inventory the repository's TypeScript",
  description: 'Count files and lines per directory and write INVENTORY.md with the total.',
};

const PER_DIRECTORY = `
for directory in $(cut -d/ -f2 /tmp/found | sort -u); do
  lines=$(grep "^\\./$directory\\(/\\|$\\)" /tmp/found | tr '\\n' '\\0' | xargs -0 cat | wc -l)
  printf '%-18s %7d lines\\n' "$directory" "$lines"
  sleep 0.6
done`.trim();

const PYTHON_REPORT = `
python3 -u - <<'PYTHON'
import json, time
files = open('/tmp/found').read().split('\\n')[:-1]
lines = {path: open(path, 'rb').read().count(b'\\n') for path in files}
largest = sorted(lines.items(), key=lambda item: -item[1])[:8]
for path, count in largest:
    print(f'{count:7d}  {path}')
    time.sleep(0.2)
with open('INVENTORY.md', 'w') as report:
    report.write('# TypeScript in this repository\\n\\n')
    report.writelines(f'- {path}: {count}\\n' for path, count in largest)
    report.write(f'\\nTotal lines: {sum(lines.values())}\\n')
json.dump(lines, open('inventory.json', 'w'), indent=2)
print('wrote INVENTORY.md and inventory.json')
PYTHON`.trim();

const BY_DIRECTORY_WITH_AWK = `
git ls-files -z '*.ts' | xargs -0 wc -l | awk '
  $2 == "total" { next }
  { split($2, part, "/"); lines[part[1]] += $1; files[part[1]] += 1 }
  END {
    for (name in lines) {
      printf "%-18s %4d files %7d lines\\n", name, files[name], lines[name]
      fflush()
      system("sleep 0.6")
    }
  }' | tee /tmp/per-directory`.trim();

const SHELL_REPORT = `
{
  printf '# TypeScript in this repository\\n\\n'
  sort -k4 -nr /tmp/per-directory | sed 's/^/- /'
  printf '\\nTotal lines: %d\\n' "$(git ls-files -z '*.ts' | xargs -0 cat | wc -l)"
} > INVENTORY.md
tail -n 1 INVENTORY.md; echo 'wrote INVENTORY.md'`.trim();

export const APPROACHES: Approach[] = [
  {
    title: 'walk the tree with find and Python',
    commands: [
      "find . -name '*.ts' -type f -not -path './.git/*' | sort > /tmp/found; echo \"found $(wc -l < /tmp/found) files\"",
      PER_DIRECTORY,
      PYTHON_REPORT,
    ],
  },
  {
    title: 'ask git, awk and ripgrep',
    commands: [
      'echo "git tracks $(git ls-files \'*.ts\' | wc -l) files at $(git rev-parse --short HEAD)"',
      BY_DIRECTORY_WITH_AWK,
      'rg --type ts --count \'^export \' | sort -t: -k2 -nr | head -n 5 | while read -r line; do echo "$line exports"; sleep 0.4; done',
      SHELL_REPORT,
    ],
  },
];

/** Passed means that the report exists and that its total is right. */
export const VERIFY = [
  'test -s INVENTORY.md',
  'test "$(sed -n \'s/^Total lines: //p\' INVENTORY.md)" -eq "$(git ls-files -z \'*.ts\' | xargs -0 cat | wc -l)"',
];
