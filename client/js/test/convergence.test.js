import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionClient } from '../src/index.js';
import { FakeEnvironment } from './fakes.js';
import { FakeServer } from './fake-server.js';

/** A heartbeat, the grace period of a second, and two RECONNECTs two seconds apart. */
const RECOVERY_TIME_MS = 30_000 + 1_000 + 4_000;

for (const large of [false, true]) {
  test(`after any losses, delays, silences and failovers one heartbeat restores the state: ${large ? 'paged' : 'whole'}`, () => {
    for (let trial = 0; trial < 300; trial += 1) {
      const environment = new FakeEnvironment(trial + 1);
      const server = new FakeServer(environment, { large });
      const client = new SessionClient({ url: 'ws://server/dev', sessionId: 's', environment });
      client.connect();
      server.serve(environment.random() * 1_000);

      server.loss = environment.random() * 0.5;
      server.slowestMs = 10 + 3_000 * environment.random() ** 3;
      for (let step = 0; step < 40; step += 1) {
        const chance = environment.random();
        if (chance < 0.6) server.commit();
        else if (chance < 0.65) server.cut();
        else if (chance < 0.68) server.delete();
        else if (chance < 0.75) server.failOver();
        else if (chance < 0.8) server.isSilent = !server.isSilent;
        server.serve(1 + environment.random() ** 2 * 4_000);
      }
      Object.assign(server, { loss: 0, slowestMs: 20, isSilent: false });
      server.serve(RECOVERY_TIME_MS);

      assert.equal(client.connection, 'live', `trial ${trial}`);
      assert.deepEqual(client.snapshot?.state ?? null, server.state, `trial ${trial}`);
    }
  });
}

for (const large of [false, true]) {
  for (const further of [0, 1]) {
    test(`a version that was made twice is recognised: ${large ? 'paged' : 'whole'}, ${further} later`, () => {
      const environment = new FakeEnvironment(7);
      const server = new FakeServer(environment, { large });
      const client = new SessionClient({ url: 'ws://server/dev', sessionId: 's', environment });
      server.create();
      client.connect();
      server.serve(100);
      server.commit();
      server.serve(3_000);
      assert.equal(client.snapshot?.version, 2);

      // The client receives none of this.
      server.loss = 1;
      server.failOver(1);
      server.commit();
      server.serve(100);
      server.loss = 0;
      for (let time = 0; time < further; time += 1) server.commit();
      assert.notDeepEqual(client.snapshot?.state, server.state);
      server.serve(RECOVERY_TIME_MS);

      assert.equal(client.snapshot?.version, 2 + further);
      assert.deepEqual(client.snapshot?.state, server.state);
    });
  }
}

test('on a network without losses no RECONNECT is sent', () => {
  for (const large of [false, true]) {
    const environment = new FakeEnvironment(large ? 5 : 6);
    const server = new FakeServer(environment, { large });
    const client = new SessionClient({ url: 'ws://server/dev', sessionId: 's', environment });
    server.create();
    client.connect();
    for (let step = 0; step < 50; step += 1) {
      server.serve(100);
      server.commit();
    }
    server.serve(100);

    assert.deepEqual(client.snapshot?.state, server.state);
    assert.deepEqual(
      server.received.filter((one) => one.type === 'RECONNECT'),
      [],
    );
  }
});
