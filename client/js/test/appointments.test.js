import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DisplayClock, snapshotAt } from '../src/index.js';
import { FakeEnvironment } from './fakes.js';
import { makeParticipant, makeSnapshot, makeState, RUNNING } from './factories.js';

/** @import { ClockFace } from '../src/display-clock.js' */
/** @import { ParticipantState, SessionState, Snapshot } from '../src/types.js' */

const at = (/** @type {number} */ ms) => new Date(ms).toISOString();

/**
 * @param {ParticipantState[]} participants
 * @param {Partial<SessionState>} [more]
 */
const pending = (participants, more) =>
  makeSnapshot(makeState(participants, { status: 'pending', starts_at: at(120_000), ...more }));

/** @type {(id: string, more?: Partial<ParticipantState>) => ParticipantState} */
const waiting = (id, more) => makeParticipant(id, { clock_state: 'waiting', ...more });

/** @param {Snapshot} snapshot */
function aDisplay(snapshot) {
  const environment = new FakeEnvironment();
  /** @type {(ClockFace & {at: number})[]} */
  const shown = [];
  const display = new DisplayClock({
    clock: { now: environment.now },
    show: (face) => shown.push({ ...face, at: environment.now() }),
    environment,
  });
  display.update(snapshot);
  const of = (/** @type {string} */ id) => shown.filter((face) => face.id === id);
  const last = (/** @type {string} */ id) => of(id).at(-1);
  return { environment, of, last };
}

test('a session that starts by itself counts down to it, a second at a time', () => {
  const { environment, of } = aDisplay(pending([makeParticipant('a'), makeParticipant('b')]));
  environment.advance(119_990);
  const texts = of('b').map((face) => face.startsIn);
  assert.deepEqual(texts.slice(0, 3), ['2:00', '1:59', '1:58']);
  assert.equal(texts.length, 120);
  for (const [place, face] of of('b').entries()) {
    assert.ok(Math.abs(face.at - place * 1_000) <= 2, `${face.startsIn} at ${face.at}`);
  }
  assert.ok(of('b').every((face) => face.text === '1:00' && !face.isRunning));
});

test('the first clock runs from exactly starts_at on, without a message', () => {
  const { environment, of, last } = aDisplay(
    pending([makeParticipant('a', { has_withdrawn: true }), makeParticipant('b')]),
  );
  environment.advance(120_002);
  const started = of('b').find((face) => face.isRunning);
  assert.ok(started && started.at >= 120_000 && started.at <= 120_002);
  assert.deepEqual([started.text, started.startsIn, started.isActive], ['1:00', '', true]);
  environment.advance(1_500);
  assert.equal(last('b')?.text, '0:59');
  assert.deepEqual([last('a')?.isRunning, last('a')?.startsIn], [false, '']);
});

test('clocks that share one run together', () => {
  const team = { group_id: 'x' };
  const { environment, last } = aDisplay(
    pending(
      [
        makeParticipant('a', team),
        makeParticipant('b', { group_id: 'y' }),
        makeParticipant('c', team),
      ],
      { sync_mode: 'per_group' },
    ),
  );
  environment.advance(121_500);
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => [last(id)?.text, last(id)?.isRunning, last(id)?.isActive]),
    [
      ['0:59', true, true],
      ['1:00', false, false],
      ['0:59', true, false],
    ],
  );
});

test('the session clock of global counts from starts_at', () => {
  const { environment, of, last } = aDisplay(
    pending([makeParticipant('a')], { sync_mode: 'global', session_remaining_ms: 60_000 }),
  );
  assert.equal(of('session')[0]?.startsIn, '2:00');
  environment.advance(121_500);
  assert.deepEqual([last('session')?.text, last('session')?.isRunning], ['0:59', true]);
});

test('in simultaneous, the clocks still waiting begin, and the others go on', () => {
  const snapshot = pending(
    [
      waiting('a', { ...RUNNING, clock_state: 'running', time_remaining_ms: 300_000 }),
      waiting('b'),
      waiting('c', { clock_state: 'finished' }),
    ],
    { status: 'running', sync_mode: 'simultaneous' },
  );
  const { environment, of, last } = aDisplay(snapshot);
  assert.deepEqual([of('a')[0]?.startsIn, of('b')[0]?.startsIn], ['', '2:00']);
  environment.advance(121_500);
  assert.deepEqual([last('a')?.text, last('b')?.text], ['2:59', '0:59']);
  assert.deepEqual(
    ['a', 'b', 'c'].map((id) => last(id)?.clockState),
    ['running', 'running', 'finished'],
  );
});

test('clocks that wait after starts_at, or in a pause, do not begin', () => {
  const late = pending([waiting('a')], { status: 'running', sync_mode: 'simultaneous' });
  assert.equal(snapshotAt({ ...late, timestamp: 120_000 }, 130_000).timestamp, 120_000);
  const paused = pending([waiting('a')], { status: 'paused', sync_mode: 'simultaneous' });
  assert.equal(snapshotAt(paused, 130_000), paused);
  const ended = pending([makeParticipant('a')], { status: 'cancelled' });
  assert.equal(snapshotAt(ended, 130_000), ended);
});

test('a snapshot is the same until starts_at, and running then', () => {
  const snapshot = pending([makeParticipant('a'), makeParticipant('b')]);
  assert.equal(snapshotAt(snapshot, 119_999), snapshot);
  assert.equal(snapshotAt(snapshot, NaN), snapshot);
  const { state, timestamp } = snapshotAt(snapshot, 120_000);
  assert.deepEqual([state.status, timestamp], ['running', 120_000]);
  assert.deepEqual([state.active_participant_id, state.session_started_at], ['a', at(120_000)]);
});

test('clocks stop at ends_at, without a message', () => {
  const { environment, last } = aDisplay(
    makeSnapshot(makeState([makeParticipant('a', RUNNING)], { ends_at: at(20_000) })),
  );
  environment.advance(60_000);
  assert.equal(last('a')?.text, '0:40');
  assert.equal(environment.timerCount, 0);
});

test('a start four weeks ahead is awaited, in steps that timers can take', () => {
  const month = 28 * 86_400_000;
  const { environment, of, last } = aDisplay(
    pending([makeParticipant('a')], { starts_at: at(month) }),
  );
  assert.equal(of('a')[0]?.startsIn, '672:00:00');
  environment.advance(5_002);
  assert.equal(last('a')?.startsIn, '671:59:55');
});
