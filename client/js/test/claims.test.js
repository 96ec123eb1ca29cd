import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SERVER_START_MS,
  answerPings,
  iso,
  liveClient,
  update,
  versionFields,
} from './session-client-harness.js';

test('an expired clock is claimed with a growing delay', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(10_000) } });
  answerPings(environment);
  environment.advance(10_200 - environment.now());
  assert.equal(environment.socket.sentOfType('CLAIM').length, 0);
  environment.advance(1_100);
  assert.equal(environment.socket.sentOfType('CLAIM').length, 1);
  environment.advance(60_000);
  const claims = environment.socket.sentOfType('CLAIM').length;
  assert.ok(claims >= 4 && claims <= 10, `${claims}`);
});

test('an update before the claim makes it unnecessary', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(10_000) } });
  answerPings(environment);
  environment.advance(10_100 - environment.now());
  environment.socket.deliver(update(4, { status: 'expired', deadline_at: null }));
  environment.advance(60_000);
  assert.equal(environment.socket.sentOfType('CLAIM').length, 0);
});

test('the claims of many clients are spread over time', () => {
  const at = [];
  for (let seed = 1; seed <= 200; seed += 1) {
    const { environment } = liveClient({ seed, state: { deadline_at: iso(10_000) } });
    answerPings(environment);
    while (!environment.socket.sentOfType('CLAIM').length) environment.advance(10);
    at.push(environment.now());
  }
  assert.ok(Math.min(...at) < 10_400 && Math.max(...at) > 10_850);
});

test('a claim that was due while disconnected is sent on the next connection', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(10_000) } });
  environment.advance(5_000);
  environment.socket.end();
  environment.advance(8_000);
  environment.socket.open();
  environment.socket.deliver({
    type: 'CURRENT',
    timestamp: SERVER_START_MS + 13_000,
    ...versionFields(3),
  });
  answerPings(environment);
  environment.advance(3_000);
  assert.equal(environment.socket.sentOfType('CLAIM').length > 0, true);
});

test('an unanswered claim is repeated on the next connection', () => {
  const { environment } = liveClient({ state: { deadline_at: iso(1_000) } });
  answerPings(environment);
  environment.advance(3_000);
  assert.ok(environment.socket.sentOfType('CLAIM').length > 0);
  environment.socket.end();
  environment.advance(1_000);
  environment.socket.open();
  environment.socket.deliver({
    type: 'CURRENT',
    timestamp: SERVER_START_MS + environment.now(),
    ...versionFields(3),
  });
  answerPings(environment);
  environment.advance(2_000);
  assert.ok(environment.socket.sentOfType('CLAIM').length > 0);
});

test('a forbidden claim is not repeated and not reported', () => {
  const { environment, details } = liveClient({
    state: { deadline_at: iso(1_000) },
  });
  answerPings(environment);
  environment.advance(5_000);
  const { socket } = environment;
  const before = socket.sentOfType('CLAIM').length;
  assert.ok(before >= 1);

  socket.deliver({
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'FORBIDDEN',
    message: 'This token ...',
  });
  environment.advance(20_000);

  assert.equal(socket.sentOfType('CLAIM').length, before);
  assert.deepEqual(details('error'), []);
});
