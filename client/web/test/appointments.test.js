import assert from 'node:assert/strict';
import { test } from 'node:test';

import { AppointmentError, localOf, parseAppointments, statusLabel } from '../src/appointments.js';
import { timeOfDay } from '../src/own-clocks.js';
import { makeState } from './factories.js';

// Local, as inputs are.
const NOW = new Date('2026-12-01T09:00:30').getTime();
const DAY_MS = 86_400_000;

/** @param {string} starts @param {string} [ends] */
const problem = (starts, ends = '') => {
  try {
    parseAppointments({ starts, ends }, NOW);
  } catch (error) {
    assert.ok(error instanceof AppointmentError);
    return `${error.field}: ${error.message}`;
  }
  return 'none';
};

test('local times are instants, and empty ones none', () => {
  const starts_at = new Date('2026-12-01T09:30').toISOString();
  const ends_at = new Date('2026-12-02T11:00').toISOString();
  const local = { starts: '2026-12-01T09:30', ends: '2026-12-02T11:00' };
  assert.deepEqual(parseAppointments(local, NOW), { starts_at, ends_at });
  assert.deepEqual([localOf(starts_at), localOf(ends_at)], [local.starts, local.ends]);
  assert.deepEqual(parseAppointments({ starts: '', ends: ' ' }, NOW), {
    starts_at: null,
    ends_at: null,
  });
  assert.equal(localOf(null), '');
});

test('what can’t be kept is named with its bound', () => {
  assert.equal(problem('2026-12-01T09:00'), 'none');
  assert.equal(problem('2026-12-01T08:59'), 'starts: Must not be in the past');
  assert.equal(problem('', '2026-12-01T09:00'), 'ends: Must be in the future');
  assert.equal(problem('2026-12-01T10:00', '2026-12-01T10:00'), 'ends: Must be after the start');
  assert.equal(problem('2027-01-02T10:00'), 'starts: Must be at most 31 days ahead');
  assert.equal(problem('', '2027-01-02T10:00'), 'ends: Must be at most 31 days ahead');
  assert.equal(problem('soon'), 'starts: Invalid date and time');
});

test('the status says when the session starts or ends by itself', () => {
  const starts_at = new Date(NOW + DAY_MS).toISOString();
  const ends_at = new Date(NOW + 2 * DAY_MS).toISOString();
  /** @param {string} status */
  const label = (status) => statusLabel(makeState({ status, starts_at, ends_at }), NOW);
  assert.equal(label('pending'), `Starts at ${timeOfDay(starts_at, NOW)}`);
  assert.equal(label('running'), `Running until ${timeOfDay(ends_at, NOW)}`);
  assert.equal(label('paused'), `Paused until ${timeOfDay(ends_at, NOW)}`);
  assert.equal(label('expired'), 'Time is up');
  assert.equal(statusLabel(makeState({ status: 'pending', starts_at: null }), NOW), 'Ready');
});
