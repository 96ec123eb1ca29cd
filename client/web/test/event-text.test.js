import assert from 'node:assert/strict';
import { test } from 'node:test';

import { errorText, eventText, eventsText } from '../src/event-text.js';
import { SessionNames } from '../src/names.js';
import { makeState } from './factories.js';

test('events are described in words, unknown ones by their type', () => {
  const names = new SessionNames(makeState());
  /** @param {Record<string, unknown>} event */
  const text = (event) => eventText(/** @type {any} */ (event), names);

  assert.equal(text({ type: 'cycle_switched', active_participant_id: 'b' }), 'Ben’s turn');
  assert.equal(
    text({ type: 'time_adjusted', participant_id: 'a', delta_ms: -10_000 }),
    '10 seconds removed for Ada',
  );
  assert.equal(
    text({ type: 'time_warning', participant_id: null, remaining_ms: 60_000 }),
    '1 minute left',
  );
  assert.equal(
    text({ type: 'time_extended', delta_ms: 90_000 }),
    'Extended by 1 minute 30 seconds',
  );
  assert.equal(text({ type: 'session_reopened' }), 'Reopened');
  assert.equal(text({ type: 'session_reset' }), 'Reset to the beginning');
  assert.equal(text({ type: 'session_updated', fields: ['message'] }), 'Message changed');
  assert.equal(text({ type: 'session_updated', fields: ['warn_at_ms'] }), 'Settings changed');
  assert.equal(
    text({ type: 'participant_joined', participant_id: 'x', name: 'Eve' }),
    'Eve joined',
  );
  assert.equal(text({ type: 'participant_withdrawn', participant_id: 'a' }), 'Ada withdrew');
  assert.equal(
    text({ type: 'participant_updated', participant_id: 'a', fields: ['name'] }),
    'Name of Ada changed',
  );
  assert.equal(
    text({ type: 'participant_updated', participant_id: 'a', fields: ['name', 'time_factor'] }),
    'Time factor of Ada changed',
  );
  assert.equal(text({ type: 'moon_rose' }), 'moon rose');
  assert.equal(text({ type: 'session_started' }), 'Session started');
  assert.equal(text({ type: 'participant_started' }), 'All others started');
  assert.equal(text({ type: 'participant_finished', participant_id: 'a' }), 'Ada finished');
});

test('what is shorter than ten seconds is shown in tenths', () => {
  const names = new SessionNames(makeState());
  /** @param {Record<string, unknown>} event */
  const text = (event) => eventText(/** @type {any} */ (event), names);
  const warning = { type: 'time_warning', participant_id: 'a' };
  const adjusted = { type: 'time_adjusted', participant_id: 'b' };

  assert.equal(text({ ...warning, remaining_ms: 2_500 }), '2.5 seconds left for Ada');
  assert.equal(text({ ...warning, remaining_ms: 3_000 }), '3 seconds left for Ada');
  assert.equal(text({ ...adjusted, delta_ms: 400 }), '0.4 seconds added for Ben');
  assert.equal(text({ ...adjusted, delta_ms: -1_000 }), '1 second removed for Ben');
  assert.equal(text({ ...adjusted, delta_ms: 0 }), 'No time removed for Ben');
});

test('a clock that a team shares is the team’s', () => {
  const names = new SessionNames(makeState({ sync_mode: 'per_group' }));
  /** @param {Record<string, unknown>} event */
  const text = (event) => eventText(/** @type {any} */ (event), names);
  const shared = { participant_id: 'a', group_id: 'red' };

  assert.equal(
    text({ type: 'time_adjusted', group_id: 'blue', delta_ms: 60_000 }),
    '1 minute added for Blue',
  );
  assert.equal(
    text({ type: 'time_warning', ...shared, remaining_ms: 60_000 }),
    '1 minute left for Red',
  );
  assert.equal(text({ type: 'participant_expired', ...shared }), 'Red is out of time');
  const own = new SessionNames(makeState());
  assert.equal(
    eventText(/** @type {any} */ ({ type: 'participant_expired', ...shared }), own),
    'Ada is out of time',
  );
});

test('every event of a commit is listed, with names', () => {
  const names = new SessionNames(makeState());
  /** @param {Record<string, unknown>[]} events */
  const text = (...events) => eventsText(/** @type {any} */ (events), names);
  const flag = { type: 'participant_expired', participant_id: 'a' };

  assert.equal(text(flag, { type: 'session_expired' }), 'Ada is out of time. Time is up');
  assert.equal(
    text(flag, { type: 'cycle_switched', active_participant_id: 'b' }),
    'Ada is out of time. Ben’s turn',
  );
  assert.equal(
    text(flag, { type: 'timeouts_skipped', count: 1, active_participant_id: 'c' }),
    'Ada is out of time. 1 more turn timed out. Cleo’s turn',
  );
});

test('errors are described by their code, unknown ones by the message of the server', () => {
  assert.equal(errorText({ code: 'STALE_CYCLE' }), 'The turn has already changed.');
  assert.equal(errorText({ code: 'NEW', message: 'As the server says' }), 'As the server says');
});
