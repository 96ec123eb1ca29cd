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
import { FakeEnvironment } from './fakes.js';

const OFFSET_MS = 1_767_225_600_000.3;

/**
 * A server behind a network, whose clock may run at another speed.
 *
 * @param {FakeEnvironment} environment
 * @param {{oneWayMs?: (environment: FakeEnvironment) => number, skew?: number, offsetMs?: number}} [how]
 */
function makeServer(environment, { oneWayMs = () => 10, skew = 0, offsetMs = OFFSET_MS } = {}) {
  const server = {
    offsetMs,
    at: (/** @type {number} */ now) => now * (1 + skew) + server.offsetMs,
    /** @type {(clock: ServerClock) => void} */
    ping(clock) {
      const { clientTime } = clock.ping();
      const sent = environment.now();
      const there = oneWayMs(environment);
      const stamp = Math.floor(server.at(sent + there));
      environment.setTimer(
        () => clock.receivePong({ type: 'PONG', clientTime, receivedAt: stamp, timestamp: stamp }),
        there + oneWayMs(environment),
      );
    },
  };
  return server;
}

/**
 * Let time pass, and send PINGs at the clock's intervals.
 *
 * @param {FakeEnvironment} environment
 * @param {ServerClock} clock
 * @param {ReturnType<typeof makeServer>} server
 * @param {number} ms
 * @param {(at: number) => void} [check] called at short intervals
 */
function run(environment, clock, server, ms, check = () => {}) {
  const until = environment.now() + ms;
  let pingAt = environment.now();
  while (environment.now() < until) {
    const intervalMs = clock.pingIntervalMs(30_000);
    if (environment.now() >= pingAt) {
      server.ping(clock);
      pingAt = environment.now() + intervalMs;
    }
    environment.advance(Math.min(intervalMs < 1_000 ? 50 : 999, until - environment.now()));
    check(environment.now());
  }
}

test('on queueing networks errors meet the target and never exceed errorBoundMs', () => {
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
      quantile(errors, 0.95) <= network.targetMs,
      `${network.rttMs} ms: ${quantile(errors, 0.95)}`,
    );
    assert.equal(within, errors.length);
  }
});

for (const [name, way] of Object.entries({ queueing, bell })) {
  test(`the estimate is better than that of the sample with the shortest round trip: ${name}`, () => {
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

test('the error stays within errorBoundMs for hours, at any skew, asymmetric or not', () => {
  let [checks, within] = [0, 0];
  /** @type {number[]} */
  const skewErrors = [];
  for (let trial = 0; trial < 60; trial += 1) {
    const environment = new FakeEnvironment(trial);
    const network = /** @type {any} */ (NETWORKS[trial % 4]);
    const skew = (environment.random() - 0.5) * 200e-6;
    const server = makeServer(environment, {
      skew,
      oneWayMs: () =>
        queueing(network, environment.random) + (trial % 3 ? 0 : 20 * environment.random()),
    });
    const clock = new ServerClock(environment);
    run(environment, clock, server, 2 * 3_600_000, (now) => {
      if (!(clock.errorBoundMs < Infinity)) return;
      checks += 1;
      within += Number(Math.abs(clock.now() - server.at(now)) <= clock.errorBoundMs);
    });
    skewErrors.push(Math.abs(clock.skewPpm - skew * 1e6));
  }

  assert.ok(checks > 4e5);
  assert.ok(quantile(skewErrors, 0.5) < 5, `${quantile(skewErrors, 0.5)} ppm`);
  assert.ok(quantile(skewErrors, 0.95) < 50, `${quantile(skewErrors, 0.95)} ppm`);
  assert.ok(within / checks >= 0.999, `${within} of ${checks}`);
});

test('time never goes back or stops, even if samples contradict each other', () => {
  for (let trial = 0; trial < 200; trial += 1) {
    const environment = new FakeEnvironment(trial);
    const server = makeServer(environment, { oneWayMs: () => 300 * environment.random() });
    const clock = new ServerClock(environment);
    server.ping(clock);
    environment.advance(700);
    let last = clock.now();
    for (let step = 0; step < 300; step += 1) {
      if (environment.random() < 0.05) server.offsetMs += (environment.random() - 0.5) * 20_000;
      if (environment.random() < 0.2) server.ping(clock);
      const passed = 1 + 200 * environment.random();
      environment.advance(passed);
      const now = clock.now();
      assert.ok(now - last >= passed * 0.49, `${now - last} in ${passed}`);
      last = now;
    }
  }
});

test('small corrections are slewed within a second', () => {
  const environment = new FakeEnvironment();
  const server = makeServer(environment);
  const clock = new ServerClock(environment);
  run(environment, clock, server, 3_000);
  server.offsetMs += 100;
  server.ping(clock);
  environment.advance(20);
  const error = () => clock.now() - server.at(environment.now());

  assert.ok(Math.abs(error() + 100) < 2, `${error()}`);
  environment.advance(500);
  assert.ok(Math.abs(error() + 50) < 2, `${error()}`);
  environment.advance(500);
  assert.ok(Math.abs(error()) < 2, `${error()}`);
});

test('any timestamp serves before the first PONG, without an error bound', () => {
  const environment = new FakeEnvironment();
  const clock = new ServerClock(environment);

  assert.ok(Number.isNaN(clock.now()));
  assert.equal(clock.errorBoundMs, Infinity);
  clock.receiveTimestamp(5_000);
  environment.advance(100);
  clock.receiveTimestamp(5_050);
  assert.equal(clock.now(), 5_100);
  clock.receiveTimestamp(5_180);
  assert.equal(clock.now(), 5_180);
  assert.equal(clock.errorBoundMs, Infinity);
});

test('the first PONG corrects the clock to half of its round trip', () => {
  const environment = new FakeEnvironment();
  const server = makeServer(environment, { oneWayMs: () => 200 });
  const clock = new ServerClock(environment);
  clock.receiveTimestamp(OFFSET_MS - 150);
  server.ping(clock);
  environment.advance(400);

  assert.ok(Math.abs(clock.now() - server.at(400)) < 1);
  assert.ok(clock.errorBoundMs > 199 && clock.errorBoundMs < 202);
});

test('a burst takes ten samples in a second, then one with each heartbeat', () => {
  const environment = new FakeEnvironment();
  const clock = new ServerClock(environment);
  const server = makeServer(environment);
  for (let number = 0; number < 10; number += 1) {
    assert.equal(clock.pingIntervalMs(30_000), 100);
    server.ping(clock);
    environment.advance(100);
  }

  assert.equal(clock.pingIntervalMs(30_000), 30_000);
  clock.resync();
  assert.equal(clock.pingIntervalMs(30_000), 100);
});

test('a burst ends even if the server answers no PING', () => {
  const clock = new ServerClock(new FakeEnvironment());
  for (let number = 0; number < 20; number += 1) clock.ping();

  assert.equal(clock.pingIntervalMs(30_000), 30_000);
});

test('the first PONG after a sleep corrects the clock', () => {
  const environment = new FakeEnvironment();
  const server = makeServer(environment);
  let wakeCount = 0;
  const clock = new ServerClock(environment, () => (wakeCount += 1));
  run(environment, clock, server, 5_000);
  server.ping(clock);
  environment.advance(1);

  environment.slept += 3_600_000;
  server.offsetMs += 3_600_000;
  const before = clock.now();
  assert.equal(wakeCount, 1);
  assert.equal(clock.errorBoundMs, Infinity);
  environment.advance(50);
  // The answer to a PING from before the sleep is ignored.
  assert.equal(clock.errorBoundMs, Infinity);
  server.ping(clock);
  environment.advance(20);

  assert.ok(Math.abs(clock.now() - server.at(environment.now())) < 2);
  assert.ok(clock.now() > before);
  assert.ok(clock.errorBoundMs < 12);
  assert.equal(wakeCount, 1);
});
