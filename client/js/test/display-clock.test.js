import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DisplayClock, ServerClock } from '../src/index.js';
import { FakeWorld } from './fakes.js';
import { aParticipant, aState, heldNow, RUNNING } from './states.js';

/** @typedef {import('../src/display-clock.js').Face} Face */
/** @typedef {import('../src/types.js').ParticipantState} ParticipantState */
/** @typedef {import('../src/types.js').SessionState} SessionState */

/**
 * A display on a server's clock that is this world's own.
 *
 * @param {{tenthsBelowMs?: number, lateMs?: number}} [how] `lateMs`: how late every timer comes
 */
function aDisplay({ tenthsBelowMs, lateMs = 0 } = {}) {
  const world = new FakeWorld();
  /** @type {(Face & {at: number})[]} */
  const shown = [];
  const display = new DisplayClock({
    clock: { now: world.now },
    show: (face) => shown.push({ ...face, at: world.now() }),
    tenthsBelowMs,
    world: {
      ...world,
      setTimer: (callback, delayMs) => world.setTimer(callback, delayMs + lateMs),
    },
  });
  const texts = (id = 'a') => shown.filter((one) => one.id === id).map((one) => one.text);
  return { world, display, shown, texts };
}

/**
 * @param {Partial<ParticipantState>} figures of a, whose clock runs
 * @param {Partial<SessionState>} [more]
 */
const ofOne = (figures, more) =>
  heldNow(aState([aParticipant('a', { ...RUNNING, ...figures })], more));

test('it wakes once for each change of its digits, just after it', () => {
  const { world, display, shown } = aDisplay();
  display.update(ofOne({ time_remaining_ms: 62_500 }));
  world.pass(52_400);

  assert.equal(shown.length, 53);
  for (const [place, { at, text }] of shown.entries()) {
    const changesAt = place ? 500 + (place - 1) * 1_000 : 0;
    assert.ok(at >= changesAt && at <= changesAt + 2, `${text} at ${at}`);
  }
  assert.deepEqual(
    shown.slice(0, 4).map((one) => one.text),
    ['1:03', '1:02', '1:01', '1:00'],
  );
});

test('below ten seconds it shows tenths, down to 0:00, and then rests', () => {
  const { world, display, texts } = aDisplay();
  display.update(ofOne({ time_remaining_ms: 10_250 }));
  world.pass(20_000);

  const tenths = Array.from({ length: 100 }, (_, place) => ((100 - place) / 10).toFixed(1));
  assert.deepEqual(
    texts().filter((text) => text !== '0:10'),
    ['0:11', ...tenths, '0:00'],
  );
  assert.equal(world.timers, 0);
});

test('a clock that stands needs no timer', () => {
  for (const status of /** @type {const} */ (['pending', 'paused', 'completed'])) {
    const { world, display, texts } = aDisplay();
    const figures = { is_running: false, has_expired: true, is_active: status === 'paused' };
    display.update(ofOne(figures, { status }));
    assert.deepEqual(texts(), ['1:00']);
    assert.equal(world.timers, 0);
  }
});

test('the delay falls first', () => {
  const { world, display, shown } = aDisplay();
  display.update(ofOne({ time_remaining_ms: 30_000, delay_remaining_ms: 2_500 }));
  world.pass(4_600);

  assert.deepEqual(
    shown.map((one) => [one.text, one.delay]),
    [
      ['0:30', '0:03'],
      ['0:30', '0:02'],
      ['0:30', '0:01'],
      ['0:30', ''],
      ['0:29', ''],
      ['0:28', ''],
    ],
  );
});

test('main time is followed by periods, each of which is full when it begins', () => {
  const { world, display, shown } = aDisplay({ tenthsBelowMs: 0 });
  const control = { type: 'byoyomi', period_ms: 3_000, periods: 2 };
  display.update(
    ofOne(
      {
        time_remaining_ms: 8_000,
        main_remaining_ms: 2_000,
        period_remaining_ms: 3_000,
        periods_left: 2,
      },
      { time_control: control },
    ),
  );
  world.pass(20_000);

  assert.deepEqual(
    shown.map((one) => `${one.text} (${one.periodsLeft})`),
    [
      '0:02 (2)',
      '0:01 (2)',
      '0:03 (2)',
      '0:02 (2)',
      '0:01 (2)',
      '0:03 (1)',
      '0:02 (1)',
      '0:01 (1)',
      '0:00 (0)',
    ],
  );
});

test('with odds it is the period of his own control that follows', () => {
  const { world, display, texts } = aDisplay({ tenthsBelowMs: 0 });
  const figures = {
    time_remaining_ms: 5_000,
    main_remaining_ms: 0,
    period_remaining_ms: 1_000,
    periods_left: 3,
  };
  display.update(
    ofOne(
      { ...figures, time_control: { type: 'byoyomi', period_ms: 2_000 } },
      { time_control: { type: 'byoyomi', period_ms: 9_000 } },
    ),
  );
  world.pass(3_100);
  assert.deepEqual(texts(), ['0:01', '0:02', '0:01', '0:02']);
});

test('a stopwatch counts whole seconds up to its limit, and no further', () => {
  const { world, display, texts } = aDisplay();
  display.update(
    ofOne(
      { time_used_ms: 2_300, time_remaining_ms: 2_700 },
      { sync_mode: 'count_up', max_time_ms: 5_000 },
    ),
  );
  world.pass(10_000);
  assert.deepEqual(texts(), ['0:02', '0:03', '0:04', '0:05']);
});

test('a stopwatch without a limit goes on', () => {
  const { world, display, texts } = aDisplay();
  display.update(ofOne({ time_remaining_ms: 1_000 }, { sync_mode: 'count_up' }));
  world.pass(3_100);
  assert.deepEqual(texts(), ['0:00', '0:01', '0:02', '0:03']);
});

test('overtime counts from where the server says it is', () => {
  const { world, display, shown } = aDisplay();
  display.update(
    ofOne({ time_remaining_ms: 0, overtime_ms: 1_400, has_expired: true, is_running: false }),
  );
  world.pass(1_700);
  assert.deepEqual(
    shown.map((one) => [one.text, one.overtime, one.phase]),
    [
      ['0:00', '0:01', 'overtime'],
      ['0:00', '0:02', 'overtime'],
      ['0:00', '0:03', 'overtime'],
    ],
  );
});

test('marks that are reached are counted, and the phase says so at that instant', () => {
  const { world, display, shown } = aDisplay();
  display.update(ofOne({ time_remaining_ms: 12_250 }, { warn_at_ms: [12_100, 11_000, 500] }));
  world.pass(13_000);
  const first = (/** @type {(face: Face) => boolean} */ wanted) =>
    Math.round(shown.find(wanted)?.at ?? NaN);

  assert.deepEqual(
    [1, 2, 3].map((mark) => first((one) => one.warning === mark)),
    [151, 1_251, 11_751],
  );
  assert.equal(
    first((one) => one.phase === 'warning'),
    151,
  );
  assert.equal(
    first((one) => one.phase === 'expired'),
    12_251,
  );
  assert.equal(shown[0]?.phase, 'plain');
});

test('the session clock of global has a face of its own', () => {
  const { world, display, texts, shown } = aDisplay();
  display.update(
    ofOne(
      { time_remaining_ms: 20_000 },
      { sync_mode: 'global', session_remaining_ms: 21_500, warn_at_ms: [20_500] },
    ),
  );
  world.pass(1_100);
  assert.deepEqual(texts('session'), ['0:22', '0:21', '0:21']);
  assert.deepEqual(texts(), ['0:20', '0:19']);
  assert.equal(shown.at(-1)?.phase, 'warning');
});

test('only faces that have changed are shown again', () => {
  const { world, display, shown } = aDisplay();
  const state = aState([aParticipant('a', RUNNING), aParticipant('b')]);
  display.update(heldNow(state));
  display.update(heldNow({ ...state, version: 2 }, { timestamp: 10 }));
  world.pass(1_100);
  assert.deepEqual(
    shown.map((one) => one.id),
    ['a', 'b', 'a'],
  );
});

test('a timer that is held back is made up for when the page is seen again', () => {
  const { world, display, texts } = aDisplay({ lateMs: 60_000 });
  display.update(ofOne({}));
  world.pass(20_500);
  assert.deepEqual(texts(), ['1:00']);
  world.wake();
  assert.deepEqual(texts(), ['1:00', '0:40']);
});

test('a display that was stopped shows nothing any more', () => {
  const { world, display, texts } = aDisplay();
  display.update(ofOne({}));
  display.stop();
  world.wake();
  world.pass(60_000);
  assert.deepEqual(texts(), ['1:00']);
  assert.equal(world.timers, 0);
});

test('between two states no display ever goes back, however the network shakes', () => {
  const value = (/** @type {Face} */ { text }) =>
    text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  let looks = 0;
  for (let trial = 0; trial < 100; trial += 1) {
    const world = new FakeWorld(trial);
    const clock = new ServerClock(world);
    let last = Infinity;
    const display = new DisplayClock({
      clock,
      world,
      show(face) {
        assert.ok(value(face) <= last, `${face.text} after ${last}`);
        last = value(face);
        looks += 1;
      },
    });
    clock.heard(1_000_000);
    display.update({ ...ofOne({}), timestamp: 1_000_000 });
    while (world.now() < 60_000) {
      const { clientTime } = clock.ping();
      const stamp = Math.floor(
        1_000_000 + world.now() + 300 * world.random() + (world.random() < 0.05 ? 2_000 : 0),
      );
      world.pass(400 * world.random());
      clock.sample({ type: 'PONG', clientTime, receivedAt: stamp, timestamp: stamp });
    }
    assert.ok(last < 3);
  }
  assert.ok(looks > 10_000);
});
