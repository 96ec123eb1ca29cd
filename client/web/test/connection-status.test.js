import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connectionLabel, noticeFor } from '../src/connection-status.js';

/** @import { Status } from '../src/connection-status.js' */

test('a notice explains why there are no clocks, after a grace period', () => {
  /** @param {Partial<Status>} [changes] */
  const notice = (changes) =>
    noticeFor({
      connection: 'live',
      isRefused: false,
      hasSession: false,
      hadSession: false,
      ending: null,
      isWaiting: false,
      ...changes,
    });
  /** @param {Partial<Status>} [changes] */
  const title = (changes) => notice(changes)?.title;

  assert.equal(title({ hasSession: true }), undefined);
  assert.equal(title(), 'Session not found');
  assert.equal(title({ isWaiting: true }), 'Connecting');
  assert.equal(
    title({ hadSession: true, connection: 'reconnecting' }),
    'This session no longer exists',
  );
  assert.deepEqual(notice({ ending: 'expired', isWaiting: true }), {
    title: 'This session no longer exists',
    text: 'It expired: it was not used for its time to live, by default 24 hours.',
  });
  assert.equal(notice({ ending: 'deleted', hadSession: true })?.text, 'It was deleted.');
  assert.equal(title({ connection: 'connecting' }), 'The server can’t be reached');
  const refused = title({ isRefused: true, hasSession: true, connection: 'closed' });
  assert.equal(refused, 'This link doesn’t work');
});

test('the indicator shows the connection and how far off the digits may be', () => {
  assert.equal(connectionLabel('live', 2.1), 'Live ±3 ms');
  assert.equal(connectionLabel('live', Infinity), 'Live');
  assert.equal(connectionLabel('unconfirmed', 1_503), 'Not confirmed ±2 s');
  assert.equal(connectionLabel('reconnecting', 59_100), 'Reconnecting ±60 s');
  assert.equal(connectionLabel('reconnecting', 61_000), 'Reconnecting ±2 min');
  assert.equal(connectionLabel('connecting', 2), 'Connecting');
  assert.equal(connectionLabel('closed', 2), 'Not connected');
});
