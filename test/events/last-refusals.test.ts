import { describe, expect, test } from 'bun:test';
import { EventBus } from '../../src/events/bus.ts';
import { LastRefusals } from '../../src/events/last-refusals.ts';
import type { SidecarEvent } from '../../src/ports/events.ts';
import { ManualTimers } from '../support/timers.ts';
import { refused, registered } from './support.ts';

function start() {
  const timers = new ManualTimers();
  const bus = new EventBus(timers);
  const refusals = new LastRefusals();
  bus.follow((event) => refusals.follow(event));
  const emit = (...events: SidecarEvent[]) => {
    for (const event of events) bus.emit(event);
  };
  return { timers, refusals, emit };
}

describe('the last refusal of an AOR', () => {
  test('is kept with its time', () => {
    const { timers, refusals, emit } = start();
    emit(refused('alice@x', 'UnknownRealm'));
    timers.advance(10);
    emit(refused('alice@x', 'InvalidCredentials', { detail: 'user alice' }), refused('bob@x', 'OutOfOrder'));
    expect(refusals.of('alice@x')).toMatchObject({
      at: timers.now(),
      reason: 'InvalidCredentials',
      detail: 'user alice',
    });
    expect(refusals.of('carol@x')).toBeUndefined();
  });

  test('stays when the phone registers after all', () => {
    const { refusals, emit } = start();
    emit(refused('alice@x', 'DeniedByWebhook'), registered('alice@x'));
    expect(refusals.of('alice@x')).toMatchObject({ reason: 'DeniedByWebhook' });
  });

  test('may be one of no AOR', () => {
    const { refusals, emit } = start();
    const { aor: _, ...event } = refused('', 'DomainIsAddress');
    emit(event);
    expect(refusals.of('')).toBeUndefined();
  });
});

describe('a flood of made-up AORs', () => {
  const REASONS = [
    'UnknownUser',
    'UnknownRealm',
    'AccountInactive',
    'DeniedByWebhook',
    'GuessedTooOften',
    'InvalidAor',
  ];

  function flood(emit: (...events: SidecarEvent[]) => void) {
    for (let i = 0; i < 60_000; i++) emit(refused(`user${i}@x`, REASONS[i % REASONS.length] ?? ''));
  }

  test('evicts no refusal of a user', () => {
    const { refusals, emit } = start();
    emit(refused('alice@x', 'InvalidCredentials'));
    flood(emit);
    expect(refusals.of('alice@x')).toMatchObject({ reason: 'InvalidCredentials' });
  });

  test('evicts no refusal of an AOR that was registered, for any reason', () => {
    const { refusals, emit } = start();
    emit(registered('alice@x', { type: 'unregistered' }), refused('alice@x', 'DeniedByWebhook'));
    flood(emit);
    expect(refusals.of('alice@x')).toMatchObject({ reason: 'DeniedByWebhook' });
  });

  test('leaves the last 2000 of its own', () => {
    const { refusals, emit } = start();
    flood(emit);
    const kept = Array.from({ length: 60_000 }, (_, i) => refusals.of(`user${i}@x`)).filter(Boolean);
    expect(kept).toHaveLength(2000);
    expect(refusals.of('user59999@x')).toBeDefined();
  });

  test('of registered AORs and of users leaves 10 000', () => {
    const { refusals, emit } = start();
    for (let i = 0; i < 12_000; i++) emit(refused(`user${i}@x`, 'InvalidCredentials'));
    const kept = Array.from({ length: 12_000 }, (_, i) => refusals.of(`user${i}@x`)).filter(Boolean);
    expect(kept).toHaveLength(10_000);
  });
});

test('a user who was a stranger before has one refusal, the last', () => {
  const { refusals, emit } = start();
  emit(refused('alice@x', 'InvalidCredentials'), refused('alice@x', 'UnknownUser'));
  expect(refusals.of('alice@x')).toMatchObject({ reason: 'UnknownUser' });
  emit(refused('bob@x', 'UnknownUser'), refused('bob@x', 'InvalidCredentials'));
  expect(refusals.of('bob@x')).toMatchObject({ reason: 'InvalidCredentials' });
});
