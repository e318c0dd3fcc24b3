import { describe, expect, test } from 'bun:test';
import type { Trunk, Unregistrable } from '../../src/ports/carriers.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { makeFleet, response, TRUNK } from './support.ts';

const SECOND = 1000;
const NO_GATEWAY: Unregistrable = { carrierSid: 'carrier-1', carrierName: 'Acme', why: 'it has no gateway' };
const SIBLING: Trunk = { ...TRUNK, gatewaySid: 'gw-2', port: 5070 };

function make(...trunks: Trunk[]) {
  const made = makeFleet(trunks);
  const { directory, fleet, timers } = made;
  /** Has the fleet read this. */
  const read = async (trunks: readonly Trunk[], ...unregistrable: readonly Unregistrable[]) => {
    directory.carriers = { ...directory.carriers, trunks, unregistrable };
    await fleet.refreshNow();
    await timers.advanceAsync(0);
  };
  /** The statuses written since the last call. */
  const taken = () => directory.statuses.splice(0).map(([sid, { status, reason }]) => `${sid} ${status} ${reason}`);
  return { ...made, read, taken };
}

describe('a carrier that is switched off', () => {
  test('has a status that says so, after it is un-registered', async () => {
    const { sip, lead, read, taken, timers } = make(TRUNK);
    await lead();
    expect(taken()).toEqual(['carrier-1 ok 200 OK']);
    const late = Promise.withResolvers<SipResponse>();
    sip.script(late.promise);
    await read([]);
    expect(taken()).toEqual([]);
    late.resolve(response(200));
    await timers.advanceAsync(0);
    expect(taken()).toEqual(['carrier-1 fail registration switched off']);
    await timers.advanceAsync(7200 * SECOND);
    expect(taken()).toEqual([]);
  });

  test('has it also when nothing had to be un-registered, and whatever comes late', async () => {
    const { sip, lead, read, taken, timers } = make(TRUNK, SIBLING);
    const late = Promise.withResolvers<SipResponse>();
    sip.respond = ({ headers }) => (headers['Call-ID'] === 'gw-2' ? late.promise : response(403));
    await lead();
    expect(taken()).toEqual(['carrier-1 fail 403 Forbidden']);
    sip.respond = () => response(200);
    await read([]);
    late.resolve(response(200));
    await timers.advanceAsync(7200 * SECOND);
    expect(taken()).toEqual(['carrier-1 fail registration switched off']);
  });

  test('has none of it while another gateway of it is registered', async () => {
    const { lead, read, taken } = make(TRUNK, SIBLING);
    await lead();
    taken();
    await read([SIBLING]);
    expect(taken()).toEqual([]);
    await read([]);
    expect(taken()).toEqual(['carrier-1 fail registration switched off']);
  });

  test('has none of it when another gateway takes the place of one that failed', async () => {
    const { sip, lead, read, taken } = make(TRUNK);
    sip.respond = () => response(403);
    await lead();
    taken();
    sip.respond = () => response(200);
    await read([SIBLING]);
    expect(taken()).toEqual(['carrier-1 ok 200 OK']);
  });

  test.each([
    ['keeps the status of the refusal for which we did it', [TRUNK], []],
    [
      'says for which refusal we did it when other gateways of it were registered',
      [TRUNK, SIBLING],
      ['registration switched off after 403 Forbidden'],
    ],
  ])('%s', async (_, trunks, reasons) => {
    const { sip, lead, change, directory, timers, fleet } = makeFleet(trunks, {
      removeCodes: [403],
      failureThreshold: 1,
    });
    sip.respond = ({ headers }) => response(headers['Call-ID'] === 'gw-1' ? 403 : 200);
    await lead();
    directory.statuses.length = 0;
    await change();
    await timers.advanceAsync(3600 * SECOND);
    expect(directory.statuses.map(([, { reason }]) => reason)).toEqual(reasons);
    expect(fleet.snapshot()).toEqual([]);
  });

  test('by somebody else after we had and it was on again says so', async () => {
    const { sip, lead, change, directory, timers } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.script(response(403));
    await lead();
    await timers.advanceAsync(11 * SECOND);
    await change(TRUNK);
    directory.statuses.length = 0;
    await change();
    expect(directory.statuses.map(([, { reason }]) => reason)).toEqual(['registration switched off']);
  });

  test('by somebody else after we had once, and it was registered since, says only so', async () => {
    const { sip, lead, change, directory } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.script(response(403));
    await lead();
    await change();
    await change(TRUNK);
    directory.statuses.length = 0;
    await change();
    expect(directory.statuses.map(([, { reason }]) => reason)).toEqual(['registration switched off']);
  });

  test('and on again says what then happens, also within a second, each time', async () => {
    const { lead, read, taken } = make(TRUNK);
    await lead();
    for (let i = 0; i < 3; i++) {
      await read([]);
      await read([TRUNK]);
    }
    const [off, on] = ['carrier-1 fail registration switched off', 'carrier-1 ok 200 OK'];
    expect(taken()).toEqual([on, off, on, off, on, off, on]);
  });

  test('while there was no leader has it too, written once', async () => {
    const { lead, read, taken, directory, fleet, timers } = make();
    directory.carriers = { ...directory.carriers, switchedOff: ['carrier-1'] };
    await lead();
    await timers.advanceAsync(300 * SECOND);
    expect(taken()).toEqual(['carrier-1 fail registration switched off']);
    expect(fleet.skipped()).toEqual([]);
    await read([TRUNK]);
    expect(taken()).toEqual(['carrier-1 ok 200 OK']);
  });

  test('by our own act keeps that reason while a replica shows an older status', async () => {
    const { sip, lead, directory, fleet, timers } = makeFleet([TRUNK, SIBLING], {
      removeCodes: [403],
      failureThreshold: 1,
    });
    sip.respond = ({ headers }) => response(headers['Call-ID'] === 'gw-1' ? 403 : 200);
    await lead();
    directory.statuses.length = 0;
    directory.carriers = { trunks: [], pinged: [], switchedOff: ['carrier-1'] };
    await fleet.refreshNow();
    await timers.advanceAsync(120 * SECOND);
    expect(directory.statuses.map(([, { reason }]) => reason)).toEqual([
      'registration switched off after 403 Forbidden',
    ]);
  });

  test('while another sidecar led is that one’s to report', async () => {
    const { lead, taken, directory, fleet } = make(TRUNK);
    await lead();
    fleet.lost();
    taken();
    directory.carriers = { ...directory.carriers, trunks: [] };
    await lead();
    expect(taken()).toEqual([]);
  });

  test('is un-registered first, although the database says already that its status is outdated', async () => {
    const { sip, lead, read, taken, directory, timers } = make(TRUNK);
    await lead();
    taken();
    const late = Promise.withResolvers<SipResponse>();
    sip.script(late.promise);
    directory.carriers = { ...directory.carriers, switchedOff: ['carrier-1'] };
    await read([]);
    expect(taken()).toEqual([]);
    late.resolve(response(200));
    await timers.advanceAsync(300 * SECOND);
    expect(taken()).toEqual(['carrier-1 fail registration switched off']);
  });

  test('has its status once the database takes it', async () => {
    const { lead, taken, change, directory, timers } = make(TRUNK);
    await lead();
    taken();
    await change();
    // Written, so that it is again.
    expect(taken()).toHaveLength(1);
    await change(TRUNK);
    taken();
    const read = directory.read.bind(directory);
    directory.read = async () => {
      const carriers = await read();
      directory.down = true;
      return { ...carriers, trunks: [] };
    };
    await change();
    directory.read = read;
    expect(taken()).toEqual([]);
    directory.down = false;
    await timers.advanceAsync(5 * SECOND);
    expect(taken()).toEqual(['carrier-1 fail registration switched off']);
  });
});

describe('a carrier that cannot be registered', () => {
  test('is listed and has a status that says why, written once', async () => {
    const { lead, read, taken, fleet, timers, logger } = make();
    await lead();
    await read([], NO_GATEWAY);
    expect(taken()).toEqual(['carrier-1 fail it has no gateway']);
    expect(fleet.skipped()).toEqual([{ carrier: 'Acme', carrierSid: 'carrier-1', why: 'it has no gateway' }]);
    await timers.advanceAsync(3600 * SECOND);
    await read([], NO_GATEWAY);
    expect(taken()).toEqual([]);
    expect(logger.lines.filter((l) => l.message === 'not registered')).toHaveLength(1);
    await read([], { ...NO_GATEWAY, why: 'it has no outbound gateway' });
    expect(taken()).toEqual(['carrier-1 fail it has no outbound gateway']);
  });

  test('any more says why after it is un-registered, and is right each time that it changes', async () => {
    const { lead, read, taken, sip } = make(TRUNK);
    const { password, ...unprotected } = TRUNK;
    await lead();
    sip.take();
    taken();
    for (let i = 0; i < 2; i++) {
      await read([unprotected]);
      expect(sip.take().map((s) => s.headers.Expires)).toEqual(['0']);
      expect(taken()).toEqual(['carrier-1 fail it has no password']);
      await read([{ ...TRUNK, password: password ?? '' }]);
      expect(taken()).toEqual(['carrier-1 ok 200 OK']);
      sip.take();
    }
  });

  test('has all reasons of its gateways, each once', async () => {
    const { lead, read, taken } = make();
    await lead();
    const port = 'its port is out of range';
    await read(
      [],
      { ...NO_GATEWAY, gatewaySid: 'a', why: port },
      { ...NO_GATEWAY, gatewaySid: 'b', why: port },
      { ...NO_GATEWAY, gatewaySid: 'c', why: 'its protocol is not known' },
    );
    expect(taken()).toEqual([`carrier-1 fail ${port}; its protocol is not known`]);
  });

  test('with one gateway keeps the status of the others', async () => {
    const { lead, read, taken, fleet } = make(TRUNK);
    await lead();
    taken();
    await read([TRUNK, { ...TRUNK, gatewaySid: 'gw-2' }], { ...NO_GATEWAY, gatewaySid: 'gw-3', why: 'x' });
    expect(fleet.skipped().map((s) => s.gateway)).toEqual(['gw-3', 'gw-2']);
    expect(taken()).toEqual([]);
  });

  test('as the duplicate of another carrier’s gateway says so', async () => {
    const { lead, read, taken } = make(TRUNK);
    await lead();
    taken();
    await read([TRUNK, { ...TRUNK, gatewaySid: 'gw-2', carrierSid: 'carrier-2' }]);
    expect(taken()).toEqual(['carrier-2 fail the same registration as that of gateway gw-1']);
  });

  test('is told by the leader alone, and again by the next one', async () => {
    const { lead, read, taken, fleet, timers } = make();
    await read([], NO_GATEWAY);
    expect(taken()).toEqual([]);
    await lead();
    await timers.advanceAsync(0);
    expect(taken()).toHaveLength(1);
    fleet.lost();
    expect(fleet.skipped()).toEqual([]);
    await timers.advanceAsync(3600 * SECOND);
    expect(taken()).toEqual([]);
    await lead();
    expect(taken()).toHaveLength(1);
  });

  test('and is gone from the database is forgotten without a status', async () => {
    const { lead, read, taken, fleet } = make();
    await lead();
    await read([], NO_GATEWAY);
    taken();
    await read([]);
    expect(taken()).toEqual([]);
    expect(fleet.skipped()).toEqual([]);
    await read([], NO_GATEWAY);
    expect(taken()).toEqual(['carrier-1 fail it has no gateway']);
  });
});
