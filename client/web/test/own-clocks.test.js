import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  detailOf,
  factorText,
  inOrderOfEnds,
  ordinal,
  raceLeader,
  raceResults,
  timeOfDay,
  useOf,
} from '../src/own-clocks.js';
import { makeState } from './factories.js';

const NOW = Date.parse('2026-11-30T10:00:00.000Z');
const UTC = { locale: 'en-GB', timeZone: 'UTC' };
const MINUTE = 60_000;

/** @param {number} minutes */
const at = (minutes) => new Date(NOW + minutes * MINUTE).toISOString();

/** @param {Record<string, unknown>} one */
const participant = (one) => /** @type {any} */ ({ time_used_ms: 0, overtime_ms: 0, ...one });

/** @param {Record<string, unknown>[]} all */
const stateOf = (all) =>
  makeState({ sync_mode: 'simultaneous', participants: all.map(participant) });

test('only clocks that all run have a use, and only a known one', () => {
  const race = { metadata: { use: 'race' } };
  assert.equal(useOf(makeState({ ...race, sync_mode: 'simultaneous' })), 'race');
  assert.equal(useOf(makeState(race)), '');
  assert.equal(useOf(makeState({ sync_mode: 'simultaneous', metadata: { use: 7 } })), '');
  assert.equal(useOf(makeState({ sync_mode: 'simultaneous', metadata: null })), '');
});

test('the clock that ends first comes first, and a finished one keeps its place', () => {
  const running = [
    { participant_id: 'extra', deadline_at: at(20), time_remaining_ms: 30 * MINUTE },
    { participant_id: 'plain', deadline_at: at(10), time_remaining_ms: 20 * MINUTE },
    { participant_id: 'over', time_remaining_ms: 0, overtime_ms: MINUTE },
    { participant_id: 'paused', time_remaining_ms: 15 * MINUTE },
  ];
  const order = ['over', 'plain', 'paused', 'extra'];
  assert.deepEqual(inOrderOfEnds(stateOf(running), NOW), order);
  // Ten minutes before their deadline, at 5 to 10.
  const finished = { participant_id: 'plain', finished_at: at(-5), time_remaining_ms: 15 * MINUTE };
  const [extra, , ...others] = running;
  assert.deepEqual(inOrderOfEnds(stateOf([extra ?? {}, finished, ...others]), NOW), order);
});

test('an end is a time of day, with the day if that is another', () => {
  assert.equal(timeOfDay(at(90), NOW, UTC), '11:30');
  assert.equal(timeOfDay(at(90), NOW, { locale: 'en-GB', timeZone: 'Asia/Kolkata' }), '17:00');
  assert.match(timeOfDay(at(24 * 60), NOW, UTC), /^Tue.* 10:00$/);
  assert.match(timeOfDay(at(10 * 24 * 60), NOW, UTC), /^10 Dec.* 10:00$/);
});

test('a row says when the clock ends or ended, and its factor', () => {
  const end = at(90);
  assert.equal(
    detailOf(participant({ deadline_at: end, time_factor: 1.25 }), NOW),
    `until ${timeOfDay(end, NOW)} · +25 %`,
  );
  assert.equal(detailOf(participant({ finished_at: end }), NOW), `at ${timeOfDay(end, NOW)}`);
  assert.equal(detailOf(participant({ time_factor: 1 }), NOW), '');
  assert.equal(factorText(1.125), '+12.5 %');
  assert.equal(factorText(0.9), '−10 %');
});

test('places are those of the times from start to finish, and equal times share one', () => {
  const finished = (/** @type {string} */ participant_id, /** @type {number} */ ms) => ({
    participant_id,
    // Less where a mistaken tap was taken back.
    time_used_ms: 1_000,
    clock_state: 'finished',
    started_at: at(0),
    finished_at: new Date(NOW + ms).toISOString(),
  });
  const state = stateOf([
    finished('c', 3_723_450),
    { participant_id: 'x', clock_state: 'running', time_used_ms: 10, started_at: at(0) },
    finished('b', 61_990),
    finished('a', 61_990),
    { ...finished('d', 89_900), started_at: at(0.5) },
  ]);
  assert.deepEqual(raceResults(state), [
    { id: 'd', place: 1, time: '0:59.9' },
    { id: 'b', place: 2, time: '1:01.9' },
    { id: 'a', place: 2, time: '1:01.9' },
    { id: 'c', place: 4, time: '1:02:03.4' },
  ]);
  assert.deepEqual([1, 2, 3, 4, 11, 12, 13, 21, 102].map(ordinal), [
    '1st',
    '2nd',
    '3rd',
    '4th',
    '11th',
    '12th',
    '13th',
    '21st',
    '102nd',
  ]);
});

test('the race’s time is that of who started first, then of who finished last', () => {
  const late = { participant_id: 'late', is_active: true, time_used_ms: 5 };
  const first = { participant_id: 'first', is_active: true, time_used_ms: 50 };
  const finished = { participant_id: 'finished', is_active: false, time_used_ms: 90 };
  assert.equal(raceLeader(stateOf([late, first, finished])), 'first');
  assert.equal(raceLeader(stateOf([{ ...late, is_active: false }, finished])), 'finished');
});
