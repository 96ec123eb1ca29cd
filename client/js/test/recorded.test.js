import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { participantAt, sessionRemainingMs } from '../src/clock-math.js';
import { applyUpdate, mergePartial } from '../src/state-merge.js';
import { makeParticipant, makeState } from './factories.js';

/** @import { SessionState, Snapshot, StateMessage } from '../src/types.js' */

const RECORDED = new URL('recorded.json', import.meta.url);
const missing = existsSync(RECORDED) ? false : '`make test-client` records the sessions';

/**
 * @type {{
 *   later: {name: string, state: SessionState, elapsed_ms: number, expected: SessionState}[],
 *   partials: {name: string, before: SessionState, partial: SessionState, after: SessionState}[],
 *   changes: {name: string, snapshot: Snapshot, update: StateMessage, after: SessionState}[],
 * }}
 */
const { later, partials, changes } = missing
  ? { later: [], partials: [], changes: [] }
  : JSON.parse(readFileSync(RECORDED, 'utf8'));

test('recorded states are calculated from earlier ones', { skip: missing }, () => {
  assert.ok(later.length > 500);
  for (const { name, state, elapsed_ms, expected } of later) {
    for (const [index, one] of state.participants.entries()) {
      assert.deepEqual(participantAt(one, state, elapsed_ms), expected.participants[index], name);
    }
    if (expected.session_remaining_ms !== undefined) {
      assert.equal(sessionRemainingMs(state, elapsed_ms), expected.session_remaining_ms, name);
    }
  }
});

test('recorded partial updates merge into the recorded states', { skip: missing }, () => {
  assert.ok(partials.length > 50);
  for (const { name, before, partial, after } of partials) {
    assert.deepEqual(mergePartial(before, partial), after, name);
  }
});

test('recorded changes of many participants give the recorded states', { skip: missing }, () => {
  assert.ok(changes.length > 10);
  for (const { name, snapshot, update, after } of changes) {
    assert.deepEqual(applyUpdate(snapshot, update)?.state, after, name);
  }
});

test('a partial update does not fit clocks that were sent with a later timestamp', () => {
  const people = () => [makeParticipant('a'), makeParticipant('b')];
  const state = makeState(people(), { sync_mode: 'simultaneous' });
  const snapshot = { epoch: '', version: 1, timestamp: 1_000, state };
  /** @type {(timestamp: number, count: number) => Snapshot | null} */
  const updated = (timestamp, count) =>
    applyUpdate(snapshot, {
      type: 'STATE_UPDATE',
      epoch: '',
      version: 2,
      timestamp,
      state: { ...state, version: 2, participants: people().slice(0, count) },
      partial: true,
      baseVersion: 1,
      ...(state.updated_at && { baseUpdatedAt: state.updated_at }),
    });

  assert.ok(updated(1_000, 1));
  assert.equal(updated(999, 1), null);
  // It has every clock.
  assert.ok(updated(999, 2));
});

test(
  'changes of many participants do not fit a snapshot with a later timestamp',
  { skip: missing },
  () => {
    const [{ snapshot, update }] = /** @type {[typeof changes[0]]} */ (changes);
    assert.equal(applyUpdate({ ...snapshot, timestamp: update.timestamp + 1 }, update), null);
  },
);
