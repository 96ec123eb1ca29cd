import assert from 'node:assert/strict';
import { test } from 'node:test';

import { StateSync } from '../src/state-sync.js';
import { mergePartial, timestampOf } from '../src/state-merge.js';
import { makeParticipant, makeState, updatedAtOf } from './factories.js';

const SYNC = 'STATE_SYNC';
const UPDATE = 'STATE_UPDATE';

/**
 * @param {'STATE_SYNC' | 'STATE_UPDATE'} type
 * @param {number} version
 * @param {object} [more]
 * @returns {any}
 */
function stateMessage(type, version, more) {
  const state = makeState([makeParticipant('a')], { version });
  return { type, timestamp: 1_000 + version, epoch: 'e', version, state, events: [], ...more };
}

/** The additional fields of a partial update. */
const partialFields = (
  /** @type {number} */ baseVersion,
  baseUpdatedAt = updatedAtOf(baseVersion),
) => ({
  partial: true,
  baseVersion,
  baseUpdatedAt,
});

/** A PONG or a CURRENT. */
function versionMessage(
  /** @type {'PONG' | 'CURRENT'} */ type,
  /** @type {number} */ version,
  updatedAt = updatedAtOf(version),
) {
  const times = { timestamp: 0, receivedAt: 0, clientTime: 0 };
  return { type, ...times, epoch: 'e', version, updatedAt };
}

/** A stateSync that was opened at 0; with `version` it was greeted with that one. */
function openSync(/** @type {number} */ version = 0) {
  const stateSync = new StateSync(() => {});
  stateSync.connectionOpened(0);
  stateSync.receive({ type: 'CONNECTED', timestamp: 0, heartbeatIntervalMs: 30_000 }, 0);
  if (version) stateSync.receive(stateMessage(SYNC, version), 0);
  return stateSync;
}

const reconnect = (/** @type {number} */ version, updatedAt = updatedAtOf(version)) => [
  { type: 'RECONNECT', epoch: 'e', version, updatedAt },
];
const RECONNECT = [{ type: 'RECONNECT' }];

test('an update of another epoch causes a RECONNECT', () => {
  assert.deepEqual(
    openSync(3).receive(stateMessage(UPDATE, 9, { epoch: 'other' }), 10),
    reconnect(3),
  );
});

test('a partial update based on another version causes a RECONNECT', () => {
  for (const base of [2, 4, 5])
    assert.deepEqual(
      openSync(3).receive(stateMessage(UPDATE, 5, partialFields(base)), 10),
      reconnect(3),
    );
  const stateSync = openSync(3);
  assert.deepEqual(stateSync.receive(stateMessage(UPDATE, 4, partialFields(3)), 10), []);
  assert.equal(stateSync.snapshot?.version, 4);
});

test('a partial update based on a replaced version causes a RECONNECT', () => {
  const stateSync = openSync(3);
  assert.deepEqual(
    stateSync.receive(stateMessage(UPDATE, 4, partialFields(3, 'later')), 10),
    reconnect(3),
  );
  assert.equal(stateSync.snapshot?.version, 3);
});

test('a buffered partial update is merged only into its base version', () => {
  for (const [base, version] of /** @type {const} */ ([
    [partialFields(4), 5],
    [partialFields(4, 'later'), 4],
  ])) {
    const stateSync = openSync(3);
    stateSync.receive(stateMessage(UPDATE, 6, partialFields(5)), 10);
    stateSync.receive(stateMessage(UPDATE, 5, base), 20);
    stateSync.receive(stateMessage(SYNC, 4), 30);
    assert.equal(stateSync.snapshot?.version, version);
  }
});

test('RECONNECT names the version of the snapshot', () => {
  const stateSync = openSync();
  const state = makeState([makeParticipant('a')], { version: 3, updated_at: 'then' });
  stateSync.receive(stateMessage(SYNC, 3, { state }), 0);
  assert.deepEqual(stateSync.connectionOpened(50), reconnect(3, 'then'));
});

test('only one RECONNECT is pending at a time', () => {
  const stateSync = openSync(3);
  assert.equal(stateSync.receive(stateMessage(UPDATE, 9, { epoch: 'other' }), 10).length, 1);
  assert.equal(stateSync.receive(stateMessage(UPDATE, 10, { epoch: 'other' }), 20).length, 0);
  stateSync.receive(stateMessage(SYNC, 10, { epoch: 'other' }), 30);
  assert.equal(stateSync.receive(stateMessage(UPDATE, 11), 40).length, 1);
});

test('an initial STATE_SYNC overtaken by an update is ignored', () => {
  /** @type {(number | undefined)[]} */
  const shown = [];
  const stateSync = new StateSync((snapshot) => shown.push(snapshot?.version));
  stateSync.connectionOpened(0);
  stateSync.receive(stateMessage(UPDATE, 5), 10);
  stateSync.receive(stateMessage(SYNC, 4), 20);
  assert.deepEqual(shown, [5]);
});

test('a later STATE_SYNC replaces the snapshot, whatever its version', () => {
  const stateSync = openSync(5);
  stateSync.receive(stateMessage(SYNC, 4), 20);
  assert.equal(stateSync.snapshot?.version, 4);
});

test('a partial update before the initial STATE_SYNC is buffered', () => {
  const stateSync = openSync();
  assert.deepEqual(stateSync.receive(stateMessage(UPDATE, 4, partialFields(3)), 10), []);
  stateSync.receive(stateMessage(SYNC, 3), 20);
  assert.equal(stateSync.snapshot?.version, 4);
  assert.equal(stateSync.dueAtMs, Infinity);
});

test('a partial update without an initial STATE_SYNC causes a RECONNECT after a second', () => {
  const stateSync = openSync();
  stateSync.receive(stateMessage(UPDATE, 4, partialFields(3)), 10);
  assert.equal(stateSync.dueAtMs, 1_010);
  assert.deepEqual(stateSync.tick(1_010), RECONNECT);
});

test('a partial update without a snapshot causes a RECONNECT after the grace period', () => {
  assert.deepEqual(openSync().receive(stateMessage(UPDATE, 4, partialFields(3)), 3_000), RECONNECT);
});

test('further differing PONGs do not delay the RECONNECT', () => {
  const stateSync = openSync(3);
  for (const now of [100, 500, 900]) stateSync.receive(versionMessage('PONG', 4), now);
  assert.equal(stateSync.dueAtMs, 1_100);
  assert.deepEqual(stateSync.tick(1_100), reconnect(3));
});

test('a PONG that agrees clears the mismatch', () => {
  const stateSync = openSync(3);
  stateSync.receive(versionMessage('PONG', 4), 100);
  stateSync.receive(versionMessage('PONG', 3), 200);
  assert.equal(stateSync.dueAtMs, Infinity);
});

for (const type of /** @type {const} */ (['PONG', 'CURRENT'])) {
  test(`a ${type} that reports a replaced version causes a RECONNECT after a second`, () => {
    const stateSync = openSync(3);
    assert.deepEqual(stateSync.receive(versionMessage(type, 3, 'later'), 100), []);
    assert.equal(stateSync.dueAtMs, 1_100);
    assert.deepEqual(stateSync.tick(1_100), reconnect(3));
  });
}

test('a mismatch is cleared only by the reported version or a newer one', () => {
  const shown = (/** @type {number} */ version, /** @type {string} */ updated_at) => {
    const stateSync = openSync(3);
    stateSync.receive(versionMessage('PONG', 4, 'later'), 100);
    const state = makeState([makeParticipant('a')], { version, updated_at });
    stateSync.receive(stateMessage(UPDATE, version, { state }), 200);
    return stateSync.dueAtMs;
  };
  assert.equal(shown(4, 'later'), Infinity);
  assert.equal(shown(5, 'whenever'), Infinity);
  assert.equal(shown(4, 'earlier'), 1_100);
});

test('pages of different answers are never mixed, whatever their order', () => {
  const answers = {
    epoch: { epoch: 'other' },
    version: { version: 4 },
    timestamp: { timestamp: 9 },
  };
  for (const [differs, other] of Object.entries({ ...answers, pages: { pages: 4 } })) {
    const stateSync = openSync();
    const page = (/** @type {number} */ number, /** @type {object} */ more = {}) => {
      const state = makeState([makeParticipant(`${number}${more === other ? ' of another' : ''}`)]);
      return stateMessage(SYNC, 5, { page: number, pages: 3, state, ...more });
    };
    for (const one of [page(3, other), page(1), page(3), page(1, other), page(3)])
      stateSync.receive(one, 10);
    assert.equal(stateSync.snapshot?.version, undefined, differs);
    stateSync.receive(page(2), 10);
    assert.deepEqual(
      stateSync.snapshot?.state.participants.map((one) => one.participant_id),
      ['1', '2', '3'],
      differs,
    );
  }
});

test('members of a group lose what its new stage lacks', () => {
  const first = { group_id: 'x', stage: 1, cycles_left: 1, delay_remaining_ms: 500 };
  const second = { group_id: 'x', stage: 2, time_remaining_ms: 5 };
  const snapshot = makeState(
    [makeParticipant('a', first), makeParticipant('b', { ...first, time_used_ms: 8 })],
    { sync_mode: 'per_group' },
  );
  const updated = makeState([makeParticipant('a', second)], { sync_mode: 'per_group' });

  assert.deepEqual(
    mergePartial(snapshot, updated).participants[1],
    makeParticipant('b', { ...second, time_used_ms: 8 }),
  );
});

test('a partial update of global clears has_expired of participants it leaves out', () => {
  const participantsWith = (/** @type {object} */ more) =>
    ['a', 'b'].map((name) => makeParticipant(name, more));
  const snapshot = makeState(participantsWith({ has_expired: true, time_remaining_ms: 0 }), {
    sync_mode: 'global',
  });
  const updated = makeParticipant('a', { is_running: true, time_remaining_ms: 5 });
  const { participants } = mergePartial(snapshot, makeState([updated], { sync_mode: 'global' }));

  assert.deepEqual(
    participants[1],
    makeParticipant('b', { is_running: true, time_remaining_ms: 5 }),
  );
  assert.deepEqual(
    mergePartial(snapshot, makeState([], { sync_mode: 'global' })).participants,
    snapshot.participants,
  );
});

test('in simultaneous each participant keeps the instant at which they were last sent', () => {
  const all = ['a', 'b', 'c'].map((id) => makeParticipant(id, { is_active: true }));
  /** @param {number} version @param {string[]} ids @param {number} timestamp */
  const update = (version, ids, timestamp) =>
    stateMessage(UPDATE, version, {
      timestamp,
      state: makeState(
        ids.map((id) => makeParticipant(id, { is_active: true })),
        { version, sync_mode: 'simultaneous' },
      ),
      ...partialFields(version - 1),
    });
  const stateSync = openSync();
  const whole = makeState(all, { version: 1, sync_mode: 'simultaneous' });
  stateSync.receive(stateMessage(SYNC, 1, { timestamp: 100, state: whole }), 0);
  stateSync.receive(update(2, ['b'], 200), 0);
  stateSync.receive(update(3, ['c'], 300), 0);
  const sentAt = () =>
    all.map(({ participant_id: id }) => timestampOf(/** @type {any} */ (stateSync.snapshot), id));

  assert.equal(stateSync.snapshot?.timestamp, 300);
  assert.deepEqual(sentAt(), [100, 200, 300]);
  stateSync.receive(stateMessage(UPDATE, 4, { timestamp: 400, state: whole }), 0);
  assert.deepEqual(sentAt(), [400, 400, 400]);
});
