import { Option } from 'commander';

export function projectOption(): Option {
  return new Option('-p, --project <id or name>', 'default: the project of the clone the cluster was started from');
}
