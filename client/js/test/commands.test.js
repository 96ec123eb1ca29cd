import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CommandError } from '../src/index.js';
import {
  SERVER_START_MS,
  answerPings,
  connected,
  liveClient,
  makeClient,
  sync,
  versionFields,
} from './session-client-harness.js';

/**
 * @param {Promise<unknown>} promise
 * @param {string} code
 * @param {string} outcome
 */
async function failsWith(promise, code, outcome) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof CommandError);
    assert.deepEqual([error.code, error.outcome], [code, outcome]);
    return true;
  });
}

test('switch and pause name the current cycle', () => {
  const { environment, client } = liveClient();
  client.command('switch', { next_participant_id: 'b' });
  client.command('pause');
  client.command('switch', { current_participant_id: 'b' });
  client.command('adjust', { delta_ms: 5 }, { expectedVersion: 3 });

  assert.deepEqual(
    environment.socket.sentOfType('COMMAND').map(({ id, ...rest }) => (assert.ok(id), rest)),
    [
      {
        type: 'COMMAND',
        command: 'switch',
        args: { current_participant_id: 'a', next_participant_id: 'b' },
      },
      { type: 'COMMAND', command: 'pause', args: { current_participant_id: 'a' } },
      { type: 'COMMAND', command: 'switch', args: { current_participant_id: 'b' } },
      { type: 'COMMAND', command: 'adjust', args: { delta_ms: 5 }, expectedVersion: 3 },
    ],
  );
  const ids = environment.socket.sentOfType('COMMAND').map((one) => one.id);
  assert.equal(new Set(ids).size, 4);
});

test('a command resolves to the version in its ACK', async () => {
  const { environment, client } = liveClient();
  const [first, second] = [client.command('switch'), client.command('undo')];
  const [one, other] = environment.socket.sentOfType('COMMAND');
  environment.socket.deliver({ type: 'ACK', timestamp: SERVER_START_MS, id: other.id, version: 5 });
  environment.socket.deliver({ type: 'ACK', timestamp: SERVER_START_MS, id: one.id, version: 4 });

  assert.deepEqual(await Promise.all([first, second]), [4, 5]);
});

test('a refused command fails with the code of the server', async () => {
  const { environment, client, details } = liveClient();
  const promise = client.command('switch');
  const { id } = environment.socket.sent.at(-1);
  environment.socket.deliver({
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'STALE_CYCLE',
    message: 'Another participant is active',
    id,
  });

  await failsWith(promise, 'STALE_CYCLE', 'refused');
  environment.socket.deliver({
    type: 'ERROR',
    timestamp: SERVER_START_MS,
    code: 'STORE_UNAVAILABLE',
    message: 'Gone',
  });
  assert.equal(details('error')[0].code, 'STORE_UNAVAILABLE');
});

test('a command without a live session fails at once and is never sent', async () => {
  const { environment, client } = makeClient();
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  client.connect();
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  environment.socket.open();
  environment.socket.deliver(connected);
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  environment.socket.deliver(sync(3));
  environment.socket.end();
  await failsWith(client.command('switch'), 'NOT_LIVE', 'unsent');
  environment.advance(1_000);
  environment.socket.open();
  environment.socket.deliver({ type: 'CURRENT', timestamp: SERVER_START_MS, ...versionFields(3) });
  environment.advance(60_000);

  assert.deepEqual(
    environment.sockets.flatMap((one) => one.sentOfType('COMMAND')),
    [],
  );
});

test('the outcome is unknown if the connection is lost before the ACK', async () => {
  const { environment, client } = liveClient();
  const promise = client.command('switch');
  environment.socket.end();
  await failsWith(promise, 'CONNECTION_LOST', 'unknown');
});

test('the outcome is unknown if no ACK arrives', async () => {
  const { environment, client } = liveClient();
  answerPings(environment);
  const promise = client.command('switch');
  environment.advance(10_000);
  await failsWith(promise, 'NO_ANSWER', 'unknown');
  assert.equal(client.connection, 'live');
});

test('the outcome of a pending command is unknown when the client is closed', async () => {
  const { client } = liveClient();
  const promise = client.command('switch');
  client.close();
  await failsWith(promise, 'CONNECTION_LOST', 'unknown');
});

test('nothing is sent on a closing socket, and a command fails at once', async () => {
  const { environment, client } = liveClient();
  answerPings(environment);
  const { socket } = environment;
  socket.startClosing();
  const before = socket.sent.length;

  await assert.rejects(client.command('switch'), { code: 'NOT_LIVE', outcome: 'unsent' });
  environment.advance(60_000);

  assert.equal(socket.sent.length, before);
});
