// The answers of ClickHouse that hold many bytes, as RowBinary: without text in between.

export interface RowBinaryReader {
  isAtEnd(): boolean;
  /** UInt64. @throws where it is above what a number can hold exactly. */
  number(): number;
  /** String: a view of the answer. */
  bytes(): Buffer;
}

export function readRowBinary(answer: Buffer): RowBinaryReader {
  let at = 0;
  const length = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = answer.readUInt8(at++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  return {
    isAtEnd: () => at >= answer.length,
    number: () => {
      const value = answer.readBigUInt64LE(at);
      at += 8;
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`${value} of ClickHouse is no exact number`);
      return Number(value);
    },
    bytes: () => {
      const size = length();
      if (at + size > answer.length) throw new RangeError('an answer of ClickHouse is cut off');
      at += size;
      return answer.subarray(at - size, at);
    },
  };
}
