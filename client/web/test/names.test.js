import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionNames } from '../src/names.js';

test('participants without a name get a number, and invalid names are ignored', () => {
  const participants = /** @type {any[]} */ (
    ['a', 'b', 'c'].map((participant_id) => ({ participant_id, group_id: null }))
  );
  /** @param {any} metadata */
  const session = (metadata) => new SessionNames(/** @type {any} */ ({ metadata, participants }));
  const names = (/** @type {any} */ metadata) =>
    [...session(metadata).participants.values()].map(({ name }) => name);

  assert.deepEqual(names({ names: ['Ada', 5] }), ['Ada', 'Participant 2', 'Participant 3']);
  assert.deepEqual(names(null), ['Participant 1', 'Participant 2', 'Participant 3']);
  assert.equal(session({ title: 7 }).title, '');
  assert.equal(session({}).nameOf('x'), 'Unknown participant');
});
