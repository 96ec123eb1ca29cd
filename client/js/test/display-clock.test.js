import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seeded } from '../bench/networks.js';
import { DisplayClock, ServerClock } from '../src/index.js';
import { mergePartial } from '../src/state-merge.js';
import { FakeEnvironment } from './fakes.js';
import { makeParticipant, makeState, makeSnapshot, RUNNING } from './factories.js';

/** @import { ClockFace } from '../src/display-clock.js' */
/** @import { ParticipantState, SessionState } from '../src/types.js' */

/**
 * A display whose server clock is the local clock.
 *
 * @param {{tenthsBelowMs?: number, lateMs?: number}} [options] `lateMs`: how late every timer fires
 */
function aDisplay({ tenthsBelowMs, lateMs = 0 } = {}) {
  const environment = new FakeEnvironment();
  /** @type {(ClockFace & {at: number})[]} */
  const shown = [];
  const display = new DisplayClock({
    clock: { now: environment.now },
    show: (face) => shown.push({ ...face, at: environment.now() }),
    tenthsBelowMs,
    environment: {
      ...environment,
      setTimer: (callback, delayMs) => environment.setTimer(callback, delayMs + lateMs),
    },
  });
  const texts = (id = 'a') => shown.filter((one) => one.id === id).map((one) => one.text);
  return { environment, display, shown, texts };
}

/**
 * @param {Partial<ParticipantState>} fields of a participant whose clock is running
 * @param {Partial<SessionState>} [more]
 */
const withOneParticipant = (fields, more) =>
  makeSnapshot(makeState([makeParticipant('a', { ...RUNNING, ...fields })], more));

test('the display wakes just after each change of its digits', () => {
  const { environment, display, shown } = aDisplay();
  display.update(withOneParticipant({ time_remaining_ms: 62_500 }));
  environment.advance(52_400);

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

test('below ten seconds tenths are shown, down to 0:00', () => {
  const { environment, display, texts } = aDisplay();
  display.update(withOneParticipant({ time_remaining_ms: 10_250 }));
  environment.advance(20_000);

  const tenths = Array.from({ length: 100 }, (_, place) => ((100 - place) / 10).toFixed(1));
  assert.deepEqual(
    texts().filter((text) => text !== '0:10'),
    ['0:11', ...tenths, '0:00'],
  );
  assert.equal(environment.timerCount, 0);
});

test('a stopped clock needs no timer', () => {
  for (const status of /** @type {const} */ (['pending', 'paused', 'completed'])) {
    const { environment, display, texts } = aDisplay();
    const fields = { is_running: false, has_expired: true, is_active: status === 'paused' };
    display.update(withOneParticipant(fields, { status }));
    assert.deepEqual(texts(), ['1:00']);
    assert.equal(environment.timerCount, 0);
  }
});

test('the delay runs before the clock', () => {
  const { environment, display, shown } = aDisplay();
  display.update(withOneParticipant({ time_remaining_ms: 30_000, delay_remaining_ms: 2_500 }));
  environment.advance(4_600);

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

test('a paused clock shows the rest of its delay, and needs no timer', () => {
  const delay = (/** @type {Partial<ParticipantState>} */ fields, status = 'paused') => {
    const { environment, display, shown } = aDisplay();
    const paused = { is_running: false, delay_remaining_ms: 2_500, ...fields };
    display.update(withOneParticipant(paused, { status: /** @type {any} */ (status) }));
    environment.advance(5_000);
    assert.equal(shown.length, 1);
    assert.equal(environment.timerCount, 0);
    return shown[0]?.delay;
  };

  assert.equal(delay({}), '0:03');
  assert.equal(delay({ delay_remaining_ms: 0 }), '');
  // The delay of a turn to come is no news.
  assert.equal(delay({ is_active: false }), '');
});

test('main time is followed by periods, each of which starts full', () => {
  const { environment, display, shown } = aDisplay({ tenthsBelowMs: 0 });
  const control = { type: 'byoyomi', period_ms: 3_000, periods: 2 };
  display.update(
    withOneParticipant(
      {
        time_remaining_ms: 8_000,
        main_remaining_ms: 2_000,
        period_remaining_ms: 3_000,
        periods_left: 2,
      },
      { time_control: control },
    ),
  );
  environment.advance(20_000);

  assert.deepEqual(
    shown.map((one) => `${one.text} (${one.periodsLeft}) ${one.periods}`),
    [
      '0:02 (2) then 2 x 0:03',
      '0:01 (2) then 2 x 0:03',
      '0:03 (2) period 1 of 2, then 1 x 0:03',
      '0:02 (2) period 1 of 2, then 1 x 0:03',
      '0:01 (2) period 1 of 2, then 1 x 0:03',
      '0:03 (1) period 2 of 2',
      '0:02 (1) period 2 of 2',
      '0:01 (1) period 2 of 2',
      '0:00 (0) ',
    ],
  );
});

/** @type {Partial<SessionState>} */
const BYOYOMI = { time_control: { type: 'byoyomi', period_ms: 30_000, periods: 5 } };
/** @type {Partial<SessionState>} */
const CANADIAN = { time_control: { type: 'canadian', period_ms: 900_000, cycles_per_period: 20 } };

test('a face says what follows the main time, and which period runs', () => {
  /**
   * @param {Partial<SessionState>} state
   * @param {Partial<ParticipantState>} participant
   */
  const periods = (state, participant) => {
    const { display, shown } = aDisplay();
    display.update(withOneParticipant(participant, state));
    return `${shown[0]?.text} ${shown[0]?.periods}`;
  };
  const at = (
    /** @type {number} */ main,
    /** @type {number} */ period,
    /** @type {object} */ left,
  ) => ({
    main_remaining_ms: main,
    period_remaining_ms: period,
    ...left,
  });

  assert.equal(periods(BYOYOMI, at(5_000, 30_000, { periods_left: 5 })), '5.0 then 5 x 0:30');
  assert.equal(
    periods(BYOYOMI, at(0, 5_000, { periods_left: 4 })),
    '5.0 period 2 of 5, then 3 x 0:30',
  );
  assert.equal(periods(BYOYOMI, at(0, 5_000, { periods_left: 1 })), '5.0 period 5 of 5');
  assert.equal(periods(BYOYOMI, at(5_000, 0, { periods_left: 0 })), '5.0 ');
  assert.equal(
    periods(CANADIAN, at(5_000, 900_000, { cycles_left: 20 })),
    '5.0 then 20 turns in 15:00',
  );
  assert.equal(periods(CANADIAN, at(0, 5_000, { cycles_left: 7 })), '5.0 7 turns to go');
  assert.equal(periods(CANADIAN, at(0, 5_000, { cycles_left: 1 })), '5.0 1 turn to go');
  assert.equal(periods({}, { time_remaining_ms: 5_000 }), '5.0 ');
});

test('a clock with only a delay left has not run out', () => {
  const { environment, display, shown } = aDisplay();
  display.update(withOneParticipant({ time_remaining_ms: 0, delay_remaining_ms: 500 }));
  assert.equal(shown.at(-1)?.phase, 'plain');
  environment.advance(1_000);
  assert.equal(shown.at(-1)?.phase, 'unconfirmed');
});

test('a face says how many moves of its stage are to go', () => {
  const stages = [
    { time_ms: 5_400_000, cycles: 40 },
    { time_ms: 3_600_000, cycles: 1 },
    { time_ms: 900_000 },
  ];
  /** @param {Partial<ParticipantState>} participant */
  const faceOf = (participant) => {
    const { display, shown } = aDisplay();
    const time_control = { type: 'stages', stages };
    display.update(
      withOneParticipant({ time_remaining_ms: 5_000, ...participant }, { time_control }),
    );
    const [face] = shown;
    return [face?.text, face?.periods, face?.stage, face?.cyclesLeft];
  };
  assert.deepEqual(faceOf({ stage: 1, cycles_left: 12 }), ['5.0', '40 moves: 12 to go', 1, 12]);
  assert.deepEqual(faceOf({ stage: 2, cycles_left: 1 }), ['5.0', '1 move: 1 to go', 2, 1]);
  assert.deepEqual(faceOf({ stage: 3 }), ['5.0', '', 3, undefined]);
  const expired = { stage: 1, cycles_left: 0, time_remaining_ms: 0, has_expired: true };
  assert.deepEqual(faceOf(expired), ['0:00', '', 1, 0]);
  // A participant's own control comes first.
  const time_control = { type: 'stages', stages: [{ time_ms: 60_000, cycles: 9 }] };
  const own = { stage: 1, cycles_left: 3, time_control };
  assert.deepEqual(faceOf(own), ['5.0', '9 moves: 3 to go', 1, 3]);
});

test('of two states that lose at different times the faces differ', () => {
  const random = seeded(5);
  const below = (/** @type {number} */ limit) => Math.floor(random() * limit);
  /** A running participant in any stage of a control, and how long until the clock runs out. */
  const stateOfPeriods = () => {
    const period_ms = 1_000 * (1 + below(4));
    const count = 1 + below(4);
    const isByoyomi = random() < 0.5;
    const control = isByoyomi
      ? { type: 'byoyomi', period_ms, periods: count }
      : { type: 'canadian', period_ms, cycles_per_period: count };
    const inMain = random() < 0.5;
    const main_remaining_ms = inMain ? 1 + below(9_000) : 0;
    const period_remaining_ms = inMain ? period_ms : 1 + below(period_ms);
    const left = inMain ? count : 1 + below(count);
    const untilLossMs =
      main_remaining_ms + period_remaining_ms + (isByoyomi ? (left - 1) * period_ms : 0);
    const participant = {
      time_remaining_ms: untilLossMs,
      main_remaining_ms,
      period_remaining_ms,
      ...(isByoyomi ? { periods_left: left } : { cycles_left: left }),
    };
    return { participant, control, untilLossMs };
  };
  const stateOfDelay = () => {
    const delay_ms = 1_000 * (1 + below(4));
    const time_remaining_ms = 1 + below(9_000);
    const delay_remaining_ms = below(delay_ms + 1);
    const participant = { time_remaining_ms, delay_remaining_ms };
    const untilLossMs = time_remaining_ms + delay_remaining_ms;
    return { participant, control: { type: 'delay', delay_ms }, untilLossMs };
  };
  const state = () => {
    const isPaused = random() < 0.5;
    const hasDelay = random() < 0.3;
    const { participant, control, untilLossMs } = hasDelay ? stateOfDelay() : stateOfPeriods();
    const { display, shown } = aDisplay();
    display.update(
      withOneParticipant(
        { ...participant, is_running: !isPaused },
        { time_control: control, status: isPaused ? 'paused' : 'running' },
      ),
    );
    const [face] = shown;
    // Of the delay, seconds are shown.
    const roundingMs = face?.delay ? 1_100 : 100;
    return { text: `${face?.text} ${face?.delay} ${face?.periods}`, roundingMs, untilLossMs };
  };
  /** @type {Map<string, {roundingMs: number, lossesMs: number[]}>} */
  const byText = new Map();
  for (let trial = 0; trial < 20_000; trial += 1) {
    const { text, roundingMs, untilLossMs } = state();
    const lossesMs = [...(byText.get(text)?.lossesMs ?? []), untilLossMs];
    byText.set(text, { roundingMs, lossesMs });
  }
  for (const [text, { roundingMs, lossesMs }] of byText) {
    // The digits are rounded to tenths.
    assert.ok(Math.max(...lossesMs) - Math.min(...lossesMs) <= roundingMs, `${text}: ${lossesMs}`);
  }
});

test('periods are as long as the time control of the participant says', () => {
  const { environment, display, texts } = aDisplay({ tenthsBelowMs: 0 });
  const fields = {
    time_remaining_ms: 5_000,
    main_remaining_ms: 0,
    period_remaining_ms: 1_000,
    periods_left: 3,
  };
  display.update(
    withOneParticipant(
      { ...fields, time_control: { type: 'byoyomi', period_ms: 2_000 } },
      { time_control: { type: 'byoyomi', period_ms: 9_000 } },
    ),
  );
  environment.advance(3_100);
  assert.deepEqual(texts(), ['0:01', '0:02', '0:01', '0:02']);
});

test('a stopwatch counts whole seconds up to its limit', () => {
  const { environment, display, texts } = aDisplay();
  display.update(
    withOneParticipant(
      { time_used_ms: 2_300, time_remaining_ms: 2_700 },
      { sync_mode: 'count_up', max_time_ms: 5_000 },
    ),
  );
  environment.advance(10_000);
  assert.deepEqual(texts(), ['0:02', '0:03', '0:04', '0:05']);
});

test('a stopwatch without a limit keeps counting', () => {
  const { environment, display, texts } = aDisplay();
  display.update(withOneParticipant({ time_remaining_ms: 1_000 }, { sync_mode: 'count_up' }));
  environment.advance(3_100);
  assert.deepEqual(texts(), ['0:00', '0:01', '0:02', '0:03']);
});

test('overtime keeps counting from the value of the server', () => {
  const { environment, display, shown } = aDisplay();
  display.update(
    withOneParticipant({
      time_remaining_ms: 0,
      overtime_ms: 1_400,
      has_expired: true,
      is_running: false,
    }),
  );
  environment.advance(1_700);
  assert.deepEqual(
    shown.map((one) => [one.text, one.overtime, one.phase]),
    [
      ['0:00', '0:01', 'overtime'],
      ['0:00', '0:02', 'overtime'],
      ['0:00', '0:03', 'overtime'],
    ],
  );
});

test('the phase and the count of warnings change at the instant of each warning', () => {
  const { environment, display, shown } = aDisplay();
  display.update(
    withOneParticipant({ time_remaining_ms: 12_250 }, { warn_at_ms: [12_100, 11_000, 500] }),
  );
  environment.advance(13_000);
  const first = (/** @type {(face: ClockFace) => boolean} */ matches) =>
    Math.round(shown.find(matches)?.at ?? NaN);

  assert.deepEqual(
    [1, 2, 3].map((mark) => first((one) => one.warning === mark)),
    [151, 1_251, 11_751],
  );
  assert.equal(
    first((one) => one.phase === 'warning'),
    151,
  );
  assert.equal(
    first((one) => one.phase === 'unconfirmed'),
    12_251,
  );
  assert.equal(shown[0]?.phase, 'plain');
});

test('a clock at zero has expired only once the server says so', () => {
  /** @param {Partial<ParticipantState>} participant @param {Partial<SessionState>} [state] */
  const phases = (participant, state) => {
    const { display, shown } = aDisplay();
    display.update(withOneParticipant({ time_remaining_ms: 0, ...participant }, state));
    return shown.map((one) => one.phase);
  };
  /** @type {Partial<SessionState>} */
  const global = { sync_mode: 'global', session_remaining_ms: 0 };

  assert.deepEqual(phases({}), ['unconfirmed']);
  assert.deepEqual(phases({ has_expired: true }), ['expired']);
  assert.deepEqual(phases({}, global), ['unconfirmed', 'unconfirmed']);
  assert.deepEqual(phases({ is_running: false }, { ...global, status: 'expired' }), [
    'expired',
    'expired',
  ]);
  assert.deepEqual(phases({}, { sync_mode: 'count_up', max_time_ms: 60_000 }), ['unconfirmed']);
  assert.deepEqual(phases({}, { sync_mode: 'count_up' }), ['plain']);
});

test('the session clock of global has its own face', () => {
  const { environment, display, texts, shown } = aDisplay();
  display.update(
    withOneParticipant(
      { time_remaining_ms: 20_000 },
      { sync_mode: 'global', session_remaining_ms: 21_500, warn_at_ms: [20_500] },
    ),
  );
  environment.advance(1_100);
  assert.deepEqual(texts('session'), ['0:22', '0:21', '0:21']);
  assert.deepEqual(texts(), ['0:20', '0:19']);
  assert.equal(shown.at(-1)?.phase, 'warning');
});

test('only changed faces are shown again', () => {
  const { environment, display, shown } = aDisplay();
  const state = makeState([makeParticipant('a', RUNNING), makeParticipant('b')]);
  display.update(makeSnapshot(state));
  display.update(makeSnapshot({ ...state, version: 2 }, { timestamp: 10 }));
  environment.advance(1_100);
  assert.deepEqual(
    shown.map((one) => one.id),
    ['a', 'b', 'a'],
  );
});

test('a delayed timer is made up for when the page becomes visible', () => {
  const { environment, display, texts } = aDisplay({ lateMs: 60_000 });
  display.update(withOneParticipant({}));
  environment.advance(20_500);
  assert.deepEqual(texts(), ['1:00']);
  environment.wake();
  assert.deepEqual(texts(), ['1:00', '0:40']);
});

test('a stopped display shows nothing', () => {
  const { environment, display, texts } = aDisplay();
  display.update(withOneParticipant({}));
  display.stop();
  environment.wake();
  environment.advance(60_000);
  assert.deepEqual(texts(), ['1:00']);
  assert.equal(environment.timerCount, 0);
});

test('between two states no display goes back, however the network delays messages', () => {
  const value = (/** @type {ClockFace} */ { text }) =>
    text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  let shownCount = 0;
  for (let trial = 0; trial < 100; trial += 1) {
    const environment = new FakeEnvironment(trial);
    const clock = new ServerClock(environment);
    let last = Infinity;
    const display = new DisplayClock({
      clock,
      environment,
      show(face) {
        assert.ok(value(face) <= last, `${face.text} after ${last}`);
        last = value(face);
        shownCount += 1;
      },
    });
    clock.receiveTimestamp(1_000_000);
    display.update({ ...withOneParticipant({}), timestamp: 1_000_000 });
    while (environment.now() < 60_000) {
      const { clientTime } = clock.ping();
      const stamp = Math.floor(
        1_000_000 +
          environment.now() +
          300 * environment.random() +
          (environment.random() < 0.05 ? 2_000 : 0),
      );
      environment.advance(400 * environment.random());
      clock.receivePong({ type: 'PONG', clientTime, receivedAt: stamp, timestamp: stamp });
    }
    assert.ok(last < 3);
  }
  assert.ok(shownCount > 10_000);
});

test('optional fields may be null or left out', () => {
  const names = ['group_id', 'time_per_cycle_ms', 'max_time_ms', 'time_control', 'warn_at_ms'];
  for (const value of [null, undefined]) {
    /** @type {(all: object) => any} */
    const without = (all) => ({
      ...Object.fromEntries(Object.entries(all).filter(([name]) => !names.includes(name))),
      ...(value === null && Object.fromEntries(names.map((name) => [name, null]))),
    });
    for (const sync_mode of ['per_participant', 'count_up', 'per_cycle']) {
      const one = without(makeParticipant('a', { ...RUNNING, time_remaining_ms: 5_000 }));
      const state = { ...without(makeState([one])), sync_mode };
      const { display, shown } = aDisplay();
      display.update(makeSnapshot(state));
      assert.equal(shown[0]?.phase, 'plain');
      assert.deepEqual(mergePartial(state, state).participants, [one]);
    }
  }
});

test('a clock of simultaneous goes on from when its participant was last sent', () => {
  const { environment, display, shown } = aDisplay({ tenthsBelowMs: 0 });
  const state = makeState(
    [
      makeParticipant('a', { ...RUNNING, clock_state: 'running', time_remaining_ms: 60_000 }),
      makeParticipant('b', { clock_state: 'finished', time_remaining_ms: 30_000 }),
    ],
    { sync_mode: 'simultaneous' },
  );
  const participantTimestamps = new Map([['a', environment.now() - 10_000]]);
  display.update(makeSnapshot(state, { timestamp: environment.now(), participantTimestamps }));

  assert.deepEqual(
    shown.map(({ id, text, clockState }) => [id, text, clockState]),
    [
      ['a', '0:50', 'running'],
      ['b', '0:30', 'finished'],
    ],
  );
});
