import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  SERVER_START_MS,
  liveClient,
  makeClient,
  promisesSettled,
} from './session-client-harness.js';

/**
 * What a browser throws at a subprotocol that is not a token of HTTP; it quotes the argument.
 *
 * @param {string} [protocol]
 */
function checkSubprotocol(protocol = '') {
  if (/[^!-~]/.test(protocol)) {
    throw new SyntaxError(`The subprotocol '${protocol}' is invalid.`);
  }
}

test('a token is sent as a subprotocol and is not part of the URL', () => {
  const { environment, client } = makeClient({ token: 'secret' });
  client.connect();

  assert.equal(environment.socket.protocol, 'bearer.secret');
  assert.ok(!environment.socket.url.includes('secret'));
});

test('without a token there is no subprotocol', () => {
  const { environment, client } = makeClient();
  client.connect();

  assert.equal(environment.socket.protocol, '');
});

test('a token function is called before every connection', async () => {
  let number = 0;
  const { environment, client, details } = makeClient({
    token: async () => `token-${(number += 1)}`,
  });
  client.connect();
  assert.deepEqual(details('connection'), ['connecting']);
  await promisesSettled();
  assert.equal(environment.socket.protocol, 'bearer.token-1');

  environment.socket.end();
  environment.advance(1_000);
  await promisesSettled();

  assert.equal(environment.sockets.length, 2);
  assert.equal(environment.socket.protocol, 'bearer.token-2');
});

test('a failed token function is called again after the backoff', async () => {
  let calls = 0;
  const token = () => {
    calls += 1;
    if (calls === 1) throw new Error('unreachable');
    return calls === 2 ? Promise.reject(new Error('still unreachable')) : 'secret';
  };
  const { environment, client } = makeClient({ token });
  client.connect();
  for (let number = 0; number < 2; number += 1) {
    await promisesSettled();
    assert.equal(environment.sockets.length, 0);
    environment.advance(4_000);
  }
  await promisesSettled();

  assert.equal(calls, 3);
  assert.equal(environment.socket.protocol, 'bearer.secret');
});

test('a token that arrives too late, or after close, opens no connection', async () => {
  /** @type {((token: string) => void)[]} */
  const resolvers = [];
  const token = () =>
    new Promise((/** @type {(token: string) => void} */ resolve) => resolvers.push(resolve));
  const { environment, client } = makeClient({ token });
  client.connect();
  environment.advance(10_000 + 1_000);
  assert.equal(resolvers.length, 2);

  resolvers[0]?.('too late');
  await promisesSettled();
  assert.equal(environment.sockets.length, 0);

  client.close();
  resolvers[1]?.('after the end');
  await promisesSettled();
  assert.equal(environment.sockets.length, 0);
});

test('a token that the browser refuses is reported without quoting it', async () => {
  let value = 'a b';
  const { environment, client, details } = makeClient({
    token: async () => value,
    beforeOpening: checkSubprotocol,
  });
  client.connect();
  await promisesSettled();
  assert.deepEqual(details('error'), [
    {
      code: 'CONNECTION_FAILED',
      message: 'The connection could not be opened (SyntaxError); the client tries again',
    },
  ]);

  value = 'ab';
  environment.advance(1_000);
  await promisesSettled();
  assert.equal(environment.socket.protocol, 'bearer.ab');
});

test('what can be thrown at all is reported', async () => {
  for (const thrown of [undefined, null, 'secret', { name: 5 }]) {
    const { client, details } = makeClient({ token: () => Promise.reject(thrown) });
    client.connect();
    await promisesSettled();
    assert.deepEqual(details('error'), [
      {
        code: 'TOKEN_FAILED',
        message: 'The token function failed (Error); the client tries again',
      },
    ]);
  }
});

test('an invalid token is reported as an error', () => {
  const { environment, details } = liveClient();
  const message = {
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'SESSION_FORBIDDEN',
    message: 'Token revoked',
  };

  environment.socket.deliver(message);

  assert.deepEqual(details('error'), [message]);
});
