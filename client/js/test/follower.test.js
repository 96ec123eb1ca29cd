import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Follower } from '../src/follower.js';
import { merged } from '../src/merging.js';
import { aParticipant, aState } from './states.js';

/** @typedef {import('../src/types.js').SessionState} SessionState */

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
const partly = (/** @type {number} */ baseVersion) => ({ partial: true, baseVersion });

/** A follower that was opened at 0; with `version` it was greeted with that one. */
function opened(/** @type {number} */ version = 0) {
  const follower = new Follower(() => {});
  follower.opened(0);
  follower.take({ type: 'CONNECTED', timestamp: 0, heartbeatIntervalMs: 30_000 }, 0);
  if (version) follower.take(brings(SYNC, version), 0);
  return follower;
}

const ask = (/** @type {number} */ version) => [{ type: 'RECONNECT', epoch: 'e', version }];
const ASK_FOR_ALL = [{ type: 'RECONNECT', epoch: undefined, version: undefined }];

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
  /** @type {any} */
  const pong = { type: 'PONG', epoch: 'e', version: 4 };
  for (const now of [100, 500, 900]) follower.take(pong, now);
  assert.equal(follower.dueAt, 1_100);
  assert.deepEqual(follower.tick(1_100), ask(3));
});

test('a PONG that agrees takes the doubt away', () => {
  const follower = opened(3);
  follower.take(/** @type {any} */ ({ type: 'PONG', epoch: 'e', version: 4 }), 100);
  follower.take(/** @type {any} */ ({ type: 'PONG', epoch: 'e', version: 3 }), 200);
  assert.equal(follower.dueAt, Infinity);
});

test('pages of different answers are never mixed, in whatever order they come', () => {
  const follower = opened();
  const page = (/** @type {number} */ version, /** @type {number} */ number) =>
    brings(SYNC, version, {
      page: number,
      pages: 3,
      state: aState([aParticipant(`${version}.${number}`)]),
    });
  for (const one of [page(4, 3), page(5, 1), page(5, 3), page(4, 1), page(5, 3)])
    follower.take(one, 10);
  assert.equal(follower.held?.version, undefined);
  follower.take(page(5, 2), 10);
  assert.deepEqual(
    follower.held?.state.participants.map((one) => one.participant_id),
    ['5.1', '5.2', '5.3'],
  );
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
