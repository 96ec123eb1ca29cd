import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

import { participantAt, sessionRemainingMs } from '../src/figures.js';
import { merged } from '../src/merging.js';

/** @typedef {import('../src/types.js').SessionState} SessionState */

const RECORDED = new URL('recorded.json', import.meta.url);
const missing = existsSync(RECORDED)
  ? false
  : '`make test-client` has the server record its sessions';

/**
 * @type {{
 *   later: {name: string, state: SessionState, after: number, shows: SessionState}[],
 *   partials: {name: string, held: SessionState, partial: SessionState, is: SessionState}[],
 * }}
 */
const { later, partials } = missing
  ? { later: [], partials: [] }
  : JSON.parse(readFileSync(RECORDED, 'utf8'));

test('a client calculates every figure that the server shows later', { skip: missing }, () => {
  assert.ok(later.length > 500);
  for (const { name, state, after, shows } of later) {
    for (const [place, one] of state.participants.entries()) {
      assert.deepEqual(participantAt(one, state, after), shows.participants[place], name);
    }
    if (shows.session_remaining_ms !== undefined) {
      assert.equal(sessionRemainingMs(state, after), shows.session_remaining_ms, name);
    }
  }
});

test('a partial update makes the whole state that the server has', { skip: missing }, () => {
  assert.ok(partials.length > 50);
  for (const { name, held, partial, is } of partials) {
    assert.deepEqual(merged(held, partial), is, name);
  }
});
