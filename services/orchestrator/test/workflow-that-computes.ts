// A workflow that keeps its thread for as many rounds as it is told; for a test.

export async function compute(rounds: number): Promise<number> {
  let sum = 0;
  for (let round = 0; round < rounds; round += 1) sum += round;
  return sum;
}
