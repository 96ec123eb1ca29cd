import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionClient } from '../src/index.js';
import { FakeWorld } from './fakes.js';
import { FakeServer } from './server.js';

/** A heartbeat, a second of doubt, and two tries of two seconds. */
const HEALED_WITHIN_MS = 30_000 + 1_000 + 4_000;

for (const large of [false, true]) {
  test(`whatever is lost, late, cut or deleted, a heartbeat later all is right: ${large ? 'in parts' : 'whole'}`, () => {
    for (let trial = 0; trial < 300; trial += 1) {
      const world = new FakeWorld(trial + 1);
      const server = new FakeServer(world, { large });
      const client = new SessionClient({ url: 'ws://server/dev', sessionId: 's', world });
      client.connect();
      server.serve(world.random() * 1_000);

      server.loss = world.random() * 0.5;
      server.slowestMs = 10 + 3_000 * world.random() ** 3;
      for (let step = 0; step < 40; step += 1) {
        const chance = world.random();
        if (chance < 0.6) server.commit();
        else if (chance < 0.65) server.cut();
        else if (chance < 0.68) server.delete();
        server.serve(world.random() ** 2 * 4_000);
      }
      Object.assign(server, { loss: 0, slowestMs: 20 });
      server.serve(HEALED_WITHIN_MS);

      assert.equal(client.connection, 'live', `trial ${trial}`);
      assert.deepEqual(client.held?.state ?? null, server.state, `trial ${trial}`);
    }
  });
}

test('on a network that loses nothing, nobody asks for what is under way', () => {
  for (const large of [false, true]) {
    const world = new FakeWorld(large ? 5 : 6);
    const server = new FakeServer(world, { large });
    const client = new SessionClient({ url: 'ws://server/dev', sessionId: 's', world });
    server.create();
    client.connect();
    for (let step = 0; step < 50; step += 1) {
      server.serve(100);
      server.commit();
    }
    server.serve(100);

    assert.deepEqual(client.held?.state, server.state);
    assert.deepEqual(
      server.heard.filter((one) => one.type === 'RECONNECT'),
      [],
    );
  }
});
