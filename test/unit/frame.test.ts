import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { decodeFrame, encodeFrame, type Frame, findFrame, headerBytes } from '../../src/journal/frame.ts';

const bytesOf = (frame: Frame): Buffer => Buffer.concat(encodeFrame(frame));

const aFrame = (fields: Partial<Frame> = {}): Frame => ({
  sequence: 7,
  version: 1_759_226_400_000_001,
  type: 'translation_tasks',
  payload: Buffer.from('{"tasks":[]}'),
  ...fields,
});

/** What a frame holds, in a form that can be compared. */
const contentOf = ({ sequence, version, type, payload }: Frame) => ({
  sequence,
  version,
  type,
  payload: Buffer.from(payload).toString('hex'),
});

function roundTrip(frame: Frame): void {
  const bytes = bytesOf(frame);
  const decoded = decodeFrame(bytes, 0);
  expect(decoded?.end).toBe(bytes.length);
  expect(decoded && contentOf(decoded.frame)).toEqual(contentOf(frame));
}

describe('a frame comes back as it was encoded', () => {
  test('with an empty payload and an empty type', () => {
    roundTrip(aFrame({ payload: new Uint8Array(0) }));
    roundTrip(aFrame({ type: '', payload: new Uint8Array(0) }));
  });

  test('with a payload of one megabyte', () => {
    roundTrip(aFrame({ payload: Buffer.alloc(1_000_000, '龙之谷🐉') }));
  });

  test('with a type that is not ASCII', () => {
    for (const type of ['翻译任务', 'ゲーム🎮', 'é'.repeat(32_767)]) roundTrip(aFrame({ type }));
  });

  test('with the smallest and the largest safe sequence and version', () => {
    roundTrip(aFrame({ sequence: 0, version: 0 }));
    roundTrip(aFrame({ sequence: Number.MAX_SAFE_INTEGER, version: Number.MAX_SAFE_INTEGER }));
    roundTrip(aFrame({ sequence: 2 ** 32, version: 2 ** 32 - 1 }));
  });

  test('whatever it holds, wherever it lies', () => {
    fc.assert(
      fc.property(
        fc.record({
          sequence: fc.maxSafeNat(),
          version: fc.maxSafeNat(),
          type: fc.string({ unit: 'grapheme' }),
          payload: fc.uint8Array(),
        }),
        fc.uint8Array({ max: 0xfe }),
        fc.uint8Array(),
        (frame, before, behind) => {
          const bytes = Buffer.concat([before, bytesOf(frame), behind]);
          const decoded = decodeFrame(bytes, before.length);
          expect(decoded?.end).toBe(bytes.length - behind.length);
          expect(decoded && contentOf(decoded.frame)).toEqual(contentOf(frame));
          expect(findFrame(bytes, 0)).toBe(before.length);
        },
      ),
    );
  });
});

test('the payload of an encoded frame is the caller’s own bytes, not a copy', () => {
  const frame = aFrame();
  expect(encodeFrame(frame)[1]).toBe(frame.payload);
});

test('a number that is no safe integer is never written', () => {
  for (const sequence of [-1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1]) {
    expect(() => encodeFrame(aFrame({ sequence }))).toThrow('Invariant broken');
    expect(() => encodeFrame(aFrame({ version: sequence }))).toThrow('Invariant broken');
  }
});

test('a frame cut short at any byte is no frame', () => {
  const bytes = bytesOf(aFrame());
  for (let length = 0; length < bytes.length; length += 1) {
    expect(decodeFrame(bytes.subarray(0, length), 0)).toBeUndefined();
  }
});

test('a frame with any single bit flipped is no frame', () => {
  const bytes = bytesOf(aFrame({ type: 't' }));
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(decodeFrame(damaged, 0)).toBeUndefined();
    expect(decodeFrame(Buffer.concat([damaged, bytes]), 0)).toBeUndefined();
  }
});

describe('the search for the next frame', () => {
  test('steps over bytes that only look like the start of one', () => {
    const magic = bytesOf(aFrame()).subarray(0, 4);
    const header = bytesOf(aFrame()).subarray(0, headerBytes);
    const rubbish = Buffer.concat([magic, magic.subarray(0, 3), header, magic]);
    expect(findFrame(Buffer.concat([rubbish, bytesOf(aFrame())]), 0)).toBe(rubbish.length);
    expect(findFrame(rubbish, 0)).toBeUndefined();
  });

  test('finds the frame at its start, and none behind the last', () => {
    const bytes = Buffer.concat([bytesOf(aFrame()), bytesOf(aFrame({ sequence: 8 }))]);
    expect(findFrame(bytes, 0)).toBe(0);
    expect(findFrame(bytes, 1)).toBe(bytes.length / 2);
    expect(findFrame(bytes, bytes.length / 2 + 1)).toBeUndefined();
  });

  test('finds no frame inside the payload of another, as long as payloads are UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const [head, payload] = encodeFrame(aFrame({ payload: Buffer.from(text) }));
        expect(findFrame(Buffer.concat([head, payload]), 1)).toBeUndefined();
        expect(payload.includes(0xff)).toBe(false);
      }),
    );
  });
});
