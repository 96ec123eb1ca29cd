import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Follower } from '../src/follower.js';
import { merged } from '../src/merging.js';
import { aParticipant, aState, madeAt } from './states.js';

const SYNC = 'STATE_SYNC';
const UPDATE = 'STATE_UPDATE';

/**
 * @param {'STATE_SYNC' | 'STATE_UPDATE'} type
 * @param {number} version
 * @param {object} [more]
 * @returns {any}
 */
function brings(type, version, more) {
  const state = aState([aParticipant('a')], { version });
  return { type, timestamp: 1_000 + version, epoch: 'e', version, state, events: [], ...more };
}

/** What a partial update of `version` has more than a whole one. */
const partly = (/** @type {number} */ baseVersion, baseUpdatedAt = madeAt(baseVersion)) => ({
  partial: true,
  baseVersion,
  baseUpdatedAt,
});

/** What a PONG or a CURRENT tells of `version`. */
function tells(
  /** @type {'PONG' | 'CURRENT'} */ type,
  /** @type {number} */ version,
  updatedAt = madeAt(version),
) {
  const times = { timestamp: 0, receivedAt: 0, clientTime: 0 };
  return { type, ...times, epoch: 'e', version, updatedAt };
}

/** A follower that was opened at 0; with `version` it was greeted with that one. */
function opened(/** @type {number} */ version = 0) {
  const follower = new Follower(() => {});
  follower.opened(0);
  follower.take({ type: 'CONNECTED', timestamp: 0, heartbeatIntervalMs: 30_000 }, 0);
  if (version) follower.take(brings(SYNC, version), 0);
  return follower;
}

const ask = (/** @type {number} */ version, updatedAt = madeAt(version)) => [
  { type: 'RECONNECT', epoch: 'e', version, updatedAt },
];
const ASK_FOR_ALL = [{ type: 'RECONNECT' }];

test('an update of another epoch is asked about', () => {
  assert.deepEqual(opened(3).take(brings(UPDATE, 9, { epoch: 'other' }), 10), ask(3));
});

test('a partial update that is based on another version than is held is asked about', () => {
  for (const base of [2, 4, 5])
    assert.deepEqual(opened(3).take(brings(UPDATE, 5, partly(base)), 10), ask(3));
  const follower = opened(3);
  assert.deepEqual(follower.take(brings(UPDATE, 4, partly(3)), 10), []);
  assert.equal(follower.held?.version, 4);
});

test('a partial update that is based on another version of the number held is asked about', () => {
  const follower = opened(3);
  assert.deepEqual(follower.take(brings(UPDATE, 4, partly(3, 'later')), 10), ask(3));
  assert.equal(follower.held?.version, 3);
});

test('one that was kept is merged into the answer only if that is the very version it is based on', () => {
  for (const [base, version] of /** @type {const} */ ([
    [partly(4), 5],
    [partly(4, 'later'), 4],
  ])) {
    const follower = opened(3);
    follower.take(brings(UPDATE, 6, partly(5)), 10);
    follower.take(brings(UPDATE, 5, base), 20);
    follower.take(brings(SYNC, 4), 30);
    assert.equal(follower.held?.version, version);
  }
});

test('who comes back names the place that is held', () => {
  const follower = opened();
  const state = aState([aParticipant('a')], { version: 3, updated_at: 'then' });
  follower.take(brings(SYNC, 3, { state }), 0);
  assert.deepEqual(follower.opened(50), ask(3, 'then'));
});

test('one RECONNECT is enough at a time', () => {
  const follower = opened(3);
  assert.equal(follower.take(brings(UPDATE, 9, { epoch: 'other' }), 10).length, 1);
  assert.equal(follower.take(brings(UPDATE, 10, { epoch: 'other' }), 20).length, 0);
  follower.take(brings(SYNC, 10, { epoch: 'other' }), 30);
  assert.equal(follower.take(brings(UPDATE, 11), 40).length, 1);
});

test('a greeting that was overtaken by an update is too old to be shown', () => {
  /** @type {(number | undefined)[]} */
  const shown = [];
  const follower = new Follower((held) => shown.push(held?.version));
  follower.opened(0);
  follower.take(brings(UPDATE, 5), 10);
  follower.take(brings(SYNC, 4), 20);
  assert.deepEqual(shown, [5]);
});

test('a STATE_SYNC after the greeting replaces what is held, whatever its version', () => {
  const follower = opened(5);
  follower.take(brings(SYNC, 4), 20);
  assert.equal(follower.held?.version, 4);
});

test('a partial update ahead of the greeting waits for it', () => {
  const follower = opened();
  assert.deepEqual(follower.take(brings(UPDATE, 4, partly(3)), 10), []);
  follower.take(brings(SYNC, 3), 20);
  assert.equal(follower.held?.version, 4);
  assert.equal(follower.dueAt, Infinity);
});

test('where the greeting does not come, a partial update that came is asked about after a second', () => {
  const follower = opened();
  follower.take(brings(UPDATE, 4, partly(3)), 10);
  assert.equal(follower.dueAt, 1_010);
  assert.deepEqual(follower.tick(1_010), ASK_FOR_ALL);
});

test('who holds nothing when the greeting is over asks about a partial update at once', () => {
  assert.deepEqual(opened().take(brings(UPDATE, 4, partly(3)), 3_000), ASK_FOR_ALL);
});

test('PONGs that go on differing do not put off the question', () => {
  const follower = opened(3);
  for (const now of [100, 500, 900]) follower.take(tells('PONG', 4), now);
  assert.equal(follower.dueAt, 1_100);
  assert.deepEqual(follower.tick(1_100), ask(3));
});

test('a PONG that agrees takes the doubt away', () => {
  const follower = opened(3);
  follower.take(tells('PONG', 4), 100);
  follower.take(tells('PONG', 3), 200);
  assert.equal(follower.dueAt, Infinity);
});

for (const type of /** @type {const} */ (['PONG', 'CURRENT'])) {
  test(`a ${type} of another version of the number that is held is asked about after a second`, () => {
    const follower = opened(3);
    assert.deepEqual(follower.take(tells(type, 3, 'later'), 100), []);
    assert.equal(follower.dueAt, 1_100);
    assert.deepEqual(follower.tick(1_100), ask(3));
  });
}

test('of a doubt about a version only that very one, or a newer, relieves', () => {
  const shown = (/** @type {number} */ version, /** @type {string} */ updated_at) => {
    const follower = opened(3);
    follower.take(tells('PONG', 4, 'later'), 100);
    const state = aState([aParticipant('a')], { version, updated_at });
    follower.take(brings(UPDATE, version, { state }), 200);
    return follower.dueAt;
  };
  assert.equal(shown(4, 'later'), Infinity);
  assert.equal(shown(5, 'whenever'), Infinity);
  assert.equal(shown(4, 'earlier'), 1_100);
});

test('pages of different answers are never mixed, in whatever order they come', () => {
  const answers = {
    epoch: { epoch: 'other' },
    version: { version: 4 },
    timestamp: { timestamp: 9 },
  };
  for (const [differs, other] of Object.entries({ ...answers, pages: { pages: 4 } })) {
    const follower = opened();
    const page = (/** @type {number} */ number, /** @type {object} */ more = {}) => {
      const state = aState([aParticipant(`${number}${more === other ? ' of another' : ''}`)]);
      return brings(SYNC, 5, { page: number, pages: 3, state, ...more });
    };
    for (const one of [page(3, other), page(1), page(3), page(1, other), page(3)])
      follower.take(one, 10);
    assert.equal(follower.held?.version, undefined, differs);
    follower.take(page(2), 10);
    assert.deepEqual(
      follower.held?.state.participants.map((one) => one.participant_id),
      ['1', '2', '3'],
      differs,
    );
  }
});

test('in global nobody who is left out of a partial update has still expired', () => {
  const people = (/** @type {object} */ more) => ['a', 'b'].map((name) => aParticipant(name, more));
  const held = aState(people({ has_expired: true, time_remaining_ms: 0 }), { sync_mode: 'global' });
  const news = aParticipant('a', { is_running: true, time_remaining_ms: 5 });
  const { participants } = merged(held, aState([news], { sync_mode: 'global' }));

  assert.deepEqual(participants[1], aParticipant('b', { is_running: true, time_remaining_ms: 5 }));
  assert.deepEqual(
    merged(held, aState([], { sync_mode: 'global' })).participants,
    held.participants,
  );
});
