import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionNames } from '../src/names.js';

test('participants have their own name, or that of the metadata, or else a number', () => {
  const participants = /** @type {any[]} */ (
    ['a', 'b', 'c'].map((participant_id) => ({ participant_id, group_id: null }))
  );
  /** @param {any} metadata */
  const session = (metadata) => new SessionNames(/** @type {any} */ ({ metadata, participants }));
  const names = (/** @type {any} */ metadata) =>
    [...session(metadata).participants.values()].map(({ name }) => name);

  assert.deepEqual(names({ names: ['Ada', 5] }), ['Ada', 'Participant 2', 'Participant 3']);
  assert.deepEqual(names(null), ['Participant 1', 'Participant 2', 'Participant 3']);
  const named = participants.map((one, index) => ({ ...one, ...(index && { name: ' Eve ' }) }));
  const own = new SessionNames(
    /** @type {any} */ ({ metadata: { names: ['Ada', 'Ben'] }, participants: named }),
  );
  assert.deepEqual(
    [...own.participants.values()].map(({ name }) => name),
    ['Ada', 'Eve', 'Eve'],
  );
  assert.equal(session({ title: 7 }).title, '');
  assert.equal(session({}).nameOf('x'), 'Unknown participant');
});
