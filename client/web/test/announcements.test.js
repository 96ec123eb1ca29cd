import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Announcements } from '../src/announcements.js';

test('nothing is lost while another text is read aloud, but turns that are over', () => {
  const waiting = new Announcements();
  waiting.add('Ada’s turn', true);
  waiting.add('Ben’s turn', true);
  waiting.add('Ben is out of time. Time is up', false);
  waiting.add('Cleo’s turn', true);
  waiting.add('Ada’s turn', true);

  assert.equal(waiting.take(), 'Ben’s turn. Ben is out of time. Time is up. Ada’s turn');
  assert.equal(waiting.take(), '');
});
