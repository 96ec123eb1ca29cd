import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  bell,
  NETWORKS,
  OTHERS,
  quantile,
  queueing,
  samples,
  seeded,
  serverClock,
} from '../bench/networks.js';
import { ServerClock } from '../src/server-clock.js';
import { FakeWorld } from './fakes.js';

const OFFSET_MS = 1_767_225_600_000.3;

/**
 * A server behind a network, whose clock may run at another speed.
 *
 * @param {FakeWorld} world
 * @param {{wayMs?: (world: FakeWorld) => number, skew?: number, offsetMs?: number}} [how]
 */
function aServer(world, { wayMs = () => 10, skew = 0, offsetMs = OFFSET_MS } = {}) {
  const server = {
    offsetMs,
    at: (/** @type {number} */ now) => now * (1 + skew) + server.offsetMs,
    /** @type {(clock: ServerClock) => void} */
    ping(clock) {
      const { clientTime } = clock.ping();
      const sent = world.now();
      const there = wayMs(world);
      const stamp = Math.floor(server.at(sent + there));
      world.setTimer(
        () => clock.sample({ type: 'PONG', clientTime, receivedAt: stamp, timestamp: stamp }),
        there + wayMs(world),
      );
    },
  };
  return server;
}

/**
 * PINGs as often as the clock wants them, for so long.
 *
 * @param {FakeWorld} world
 * @param {ServerClock} clock
 * @param {ReturnType<typeof aServer>} server
 * @param {number} ms
 * @param {(at: number) => void} [look] every so often
 */
function live(world, clock, server, ms, look = () => {}) {
  const until = world.now() + ms;
  let pingAt = world.now();
  while (world.now() < until) {
    const everyMs = clock.pingEveryMs(30_000);
    if (world.now() >= pingAt) {
      server.ping(clock);
      pingAt = world.now() + everyMs;
    }
    world.pass(Math.min(everyMs < 1_000 ? 50 : 999, until - world.now()));
    look(world.now());
  }
}

test('on networks that queue, 95 % of the errors stay within the aim, and all within errorBoundMs', () => {
  for (const network of NETWORKS) {
    const random = seeded(network.rttMs);
    const errors = [];
    let within = 0;
    for (let trial = 0; trial < 4_000; trial += 1) {
      const offsetMs = 1e6 * random();
      const ours = serverClock(samples(() => queueing(network, random), offsetMs));
      const error = Math.abs(ours.offsetMs - offsetMs);
      errors.push(error);
      within += Number(error <= ours.boundMs);
    }

    assert.ok(
      quantile(errors, 0.95) <= network.aimMs,
      `${network.rttMs} ms: ${quantile(errors, 0.95)}`,
    );
    assert.equal(within, errors.length);
  }
});

for (const [name, way] of Object.entries({ queueing, bell })) {
  test(`it is never behind the sample with the shortest round trip: ${name}`, () => {
    for (const network of NETWORKS) {
      const random = seeded(7);
      /** @type {number[]} */
      const ours = [];
      /** @type {number[]} */
      const shortest = [];
      for (let trial = 0; trial < 2_000; trial += 1) {
        const all = samples(() => way(network, random), 500.5);
        ours.push(Math.abs(serverClock(all).offsetMs - 500.5));
        shortest.push(Math.abs(/** @type {any} */ (OTHERS['min-RTT of 10'])(all) - 500.5));
      }

      assert.ok(quantile(ours, 0.95) < quantile(shortest, 0.95));
    }
  });
}

test('for hours, at any skew, asymmetric or not, the error stays within errorBoundMs', () => {
  let [looks, within] = [0, 0];
  /** @type {number[]} */
  const skewErrors = [];
  for (let trial = 0; trial < 60; trial += 1) {
    const world = new FakeWorld(trial);
    const network = /** @type {any} */ (NETWORKS[trial % 4]);
    const skew = (world.random() - 0.5) * 200e-6;
    const server = aServer(world, {
      skew,
      wayMs: () => queueing(network, world.random) + (trial % 3 ? 0 : 20 * world.random()),
    });
    const clock = new ServerClock(world);
    live(world, clock, server, 2 * 3_600_000, (now) => {
      if (!(clock.errorBoundMs < Infinity)) return;
      looks += 1;
      within += Number(Math.abs(clock.now() - server.at(now)) <= clock.errorBoundMs);
    });
    skewErrors.push(Math.abs(clock.skewPpm - skew * 1e6));
  }

  assert.ok(looks > 4e5);
  assert.ok(quantile(skewErrors, 0.5) < 5, `${quantile(skewErrors, 0.5)} ppm`);
  assert.ok(quantile(skewErrors, 0.95) < 50, `${quantile(skewErrors, 0.95)} ppm`);
  assert.ok(within / looks >= 0.999, `${within} of ${looks}`);
});

test('it never goes back, and never stands, however samples contradict each other', () => {
  for (let trial = 0; trial < 200; trial += 1) {
    const world = new FakeWorld(trial);
    const server = aServer(world, { wayMs: () => 300 * world.random() });
    const clock = new ServerClock(world);
    server.ping(clock);
    world.pass(700);
    let last = clock.now();
    for (let step = 0; step < 300; step += 1) {
      if (world.random() < 0.05) server.offsetMs += (world.random() - 0.5) * 20_000;
      if (world.random() < 0.2) server.ping(clock);
      const passed = 1 + 200 * world.random();
      world.pass(passed);
      const now = clock.now();
      assert.ok(now - last >= passed * 0.49, `${now - last} in ${passed}`);
      last = now;
    }
  }
});

test('small corrections are slewed, and done within a second', () => {
  const world = new FakeWorld();
  const server = aServer(world);
  const clock = new ServerClock(world);
  live(world, clock, server, 3_000);
  server.offsetMs += 100;
  server.ping(clock);
  world.pass(20);
  const error = () => clock.now() - server.at(world.now());

  assert.ok(Math.abs(error() + 100) < 2, `${error()}`);
  world.pass(500);
  assert.ok(Math.abs(error() + 50) < 2, `${error()}`);
  world.pass(500);
  assert.ok(Math.abs(error()) < 2, `${error()}`);
});

test('before the first PONG any message will do, and nobody pretends to know how well', () => {
  const world = new FakeWorld();
  const clock = new ServerClock(world);

  assert.ok(Number.isNaN(clock.now()));
  assert.equal(clock.errorBoundMs, Infinity);
  clock.heard(5_000);
  world.pass(100);
  clock.heard(5_050);
  assert.equal(clock.now(), 5_100);
  clock.heard(5_180);
  assert.equal(clock.now(), 5_180);
  assert.equal(clock.errorBoundMs, Infinity);
});

test('one PONG makes it right at once, to half of its round trip', () => {
  const world = new FakeWorld();
  const server = aServer(world, { wayMs: () => 200 });
  const clock = new ServerClock(world);
  clock.heard(OFFSET_MS - 150);
  server.ping(clock);
  world.pass(400);

  assert.ok(Math.abs(clock.now() - server.at(400)) < 1);
  assert.ok(clock.errorBoundMs > 199 && clock.errorBoundMs < 202);
});

test('ten samples are taken in a second, and one with each heartbeat from then on', () => {
  const world = new FakeWorld();
  const clock = new ServerClock(world);
  const server = aServer(world);
  for (let number = 0; number < 10; number += 1) {
    assert.equal(clock.pingEveryMs(30_000), 100);
    server.ping(clock);
    world.pass(100);
  }

  assert.equal(clock.pingEveryMs(30_000), 30_000);
  clock.resync();
  assert.equal(clock.pingEveryMs(30_000), 100);
});

test('a server that answers no PING is not asked in a hurry for ever', () => {
  const clock = new ServerClock(new FakeWorld());
  for (let number = 0; number < 20; number += 1) clock.ping();

  assert.equal(clock.pingEveryMs(30_000), 30_000);
});

test('a machine whose clock stood still while it slept is right again with the first PONG', () => {
  const world = new FakeWorld();
  const server = aServer(world);
  let woken = 0;
  const clock = new ServerClock(world, () => (woken += 1));
  live(world, clock, server, 5_000);
  server.ping(clock);
  world.pass(1);

  world.slept += 3_600_000;
  server.offsetMs += 3_600_000;
  const before = clock.now();
  assert.equal(woken, 1);
  assert.equal(clock.errorBoundMs, Infinity);
  world.pass(50);
  // The answer to what was sent before counts for nothing.
  assert.equal(clock.errorBoundMs, Infinity);
  server.ping(clock);
  world.pass(20);

  assert.ok(Math.abs(clock.now() - server.at(world.now())) < 2);
  assert.ok(clock.now() > before);
  assert.ok(clock.errorBoundMs < 12);
  assert.equal(woken, 1);
});
