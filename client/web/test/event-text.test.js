import assert from 'node:assert/strict';
import { test } from 'node:test';

import { errorText, eventText } from '../src/event-text.js';
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
  assert.equal(text({ type: 'moon_rose' }), 'moon rose');
});

test('errors are described by their code, unknown ones by the message of the server', () => {
  assert.equal(errorText({ code: 'STALE_CYCLE' }), 'The turn has already changed.');
  assert.equal(errorText({ code: 'NEW', message: 'As the server says' }), 'As the server says');
});
