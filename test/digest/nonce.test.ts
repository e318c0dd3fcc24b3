import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Nonces } from '../../src/digest/nonce.ts';
import { ManualTimers } from '../support/timers.ts';

const REALM = 'example.com';

function make(secret = 'secret') {
  const clock = new ManualTimers();
  return { clock, nonces: new Nonces(secret, 300_000, clock) };
}

describe('nonces', () => {
  test('are valid at every sidecar with the secret until they expire', () => {
    const { clock, nonces } = make();
    const nonce = nonces.create(REALM);
    const elsewhere = new Nonces('secret', 300_000, clock);
    expect(elsewhere.check(nonce, REALM)).toMatchObject({ state: 'fresh', expiresAt: clock.now() + 300_000 });
    clock.advance(299_999);
    expect(elsewhere.check(nonce, REALM).state).toBe('fresh');
    clock.advance(1);
    expect(elsewhere.check(nonce, REALM)).toEqual({ state: 'expired' });
  });

  test('made by a clock that is ahead of ours are refused beyond a minute', () => {
    const { clock, nonces } = make();
    const early = new Nonces('secret', 300_000, { now: () => clock.now() + 60_000 });
    expect(nonces.check(early.create(REALM), REALM).state).toBe('fresh');
    const earlier = new Nonces('secret', 300_000, { now: () => clock.now() + 60_001 });
    expect(nonces.check(earlier.create(REALM), REALM).state).toBe('expired');
  });

  test('are foreign in another realm and with another secret', () => {
    const { nonces } = make();
    const nonce = nonces.create(REALM);
    expect(nonces.check(nonce, 'other.example.com')).toEqual({ state: 'foreign' });
    expect(make('other').nonces.check(nonce, REALM)).toEqual({ state: 'foreign' });
  });

  test('are unique, and so are their ids', () => {
    const { nonces } = make();
    const made = Array.from({ length: 1000 }, () => nonces.create(REALM));
    const ids = made.map((nonce) => nonces.check(nonce, REALM)).map((s) => (s.state === 'fresh' ? s.id : ''));
    expect(new Set(made).size).toBe(1000);
    expect(new Set(ids).size).toBe(1000);
  });

  test('are foreign after any change', () => {
    const { nonces } = make();
    fc.assert(
      fc.property(fc.nat({ max: 42 }), fc.constantFrom(...'ABCXYZabcxyz0189-_=+/. '), (at, char) => {
        const nonce = nonces.create(REALM);
        const changed = nonce.slice(0, at) + char + nonce.slice(at + 1);
        fc.pre(changed !== nonce);
        expect(nonces.check(changed, REALM)).toEqual({ state: 'foreign' });
      }),
      { numRuns: 2000 },
    );
  });

  test('any other text is foreign', () => {
    const { nonces } = make();
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        expect(nonces.check(text, REALM)).toEqual({ state: 'foreign' });
        expect(nonces.check(`${nonces.create(REALM)}${text || ' '}`, REALM)).toEqual({ state: 'foreign' });
      }),
    );
  });
});
