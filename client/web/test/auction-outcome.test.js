import assert from 'node:assert/strict';
import { test } from 'node:test';

import { outcomeText, winnerOf } from '../src/auction-outcome.js';
import { SessionNames } from '../src/names.js';
import { makeState } from './factories.js';

const state = makeState();

const created = { type: 'session_created', version: 1 };
const started = { type: 'session_started', version: 2, active_participant_id: 'a' };

/**
 * The turn passes from one to another.
 *
 * @param {string} ids
 * @param {number} version
 */
const passed = ([from, to], version) => ({
  type: 'cycle_switched',
  version,
  previous_participant_id: from,
  active_participant_id: to,
});

test('the last bid wins', () => {
  const events = [created, started, passed('ab', 3), passed('bc', 4), passed('cb', 5)];
  assert.equal(winnerOf(events, state), 'b');
  assert.equal(winnerOf([...events, { type: 'time_extended', version: 5 }], state), 'b');
});

test('who is active from the start has not bid', () => {
  assert.equal(winnerOf([created, started], state), null);
  // A start over forgets the bids before.
  const events = [created, started, passed('ab', 3), { type: 'session_reset', version: 4 }];
  assert.equal(winnerOf([...events, started], state), null);
});

test('an undone bid does not count', () => {
  const events = [started, passed('ab', 3), passed('bc', 4), { type: 'switch_undone', version: 5 }];
  assert.equal(winnerOf(events, state), 'b');
});

test('a turn after a skipped one is no bid, and one after a notification is', () => {
  const ranOut = { type: 'participant_expired', version: 4, participant_id: 'b' };
  const events = [started, passed('ab', 3)];
  const skipped = [...events, { ...ranOut, action: 'skip_cycle' }, passed('bc', 4)];
  assert.equal(winnerOf(skipped, state), 'b');
  // A bid in the same version as the skipped cycle.
  assert.equal(winnerOf([...skipped, passed('ca', 4)], state), 'a');
  assert.equal(winnerOf([...events, { ...ranOut, action: 'notify' }, passed('bc', 4)], state), 'c');
});

test('who withdraws does not win, and neither does who follows them', () => {
  const withdrawn = { type: 'participant_withdrawn', version: 5, participant_id: 'c' };
  const events = [started, passed('ab', 3), passed('bc', 4), withdrawn, passed('ca', 5)];
  const participants = state.participants.map((one) => ({
    ...one,
    has_withdrawn: one.participant_id === 'c',
  }));
  assert.equal(winnerOf(events, { ...state, participants }), 'b');
  // Back in, their bid counts.
  assert.equal(winnerOf(events, state), 'c');
});

test('the outcome is said by name, and to the winner', () => {
  const names = new SessionNames(state);
  assert.equal(outcomeText('b', names, 'a'), 'Ben has won the auction.');
  assert.equal(outcomeText('b', names, 'b'), 'You have won the auction.');
  assert.equal(outcomeText('b', names, undefined), 'Ben has won the auction.');
  assert.equal(outcomeText(null, names, 'b'), 'The auction is over. There was no bid.');
});
