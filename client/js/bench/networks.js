/**
 * Simulated networks, and the offsets that different algorithms estimate from their samples.
 *
 * @module
 */

import { ServerClock } from '../src/server-clock.js';

/** @typedef {{rttMs: number, jitterMs: number, limitMs: number, targetMs: number}} Network */

/** @type {Network[]} */
export const NETWORKS = [
  { rttMs: 20, jitterMs: 3, limitMs: 1.0, targetMs: 0.8 },
  { rttMs: 60, jitterMs: 15, limitMs: 5.5, targetMs: 4.2 },
  { rttMs: 150, jitterMs: 60, limitMs: 26, targetMs: 19 },
  { rttMs: 450, jitterMs: 80, limitMs: 35, targetMs: 25 },
];

/**
 * Mulberry32, a seeded random number generator: numbers from 0 to 1.
 *
 * @param {number} seed
 * @returns {() => number}
 */
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A one-way delay in milliseconds. Queues delay packets and never speed them up, so the delay
 * above the minimum is exponentially distributed. Its mean and standard deviation are the jitter;
 * the mean of the whole delay is half of the round trip.
 *
 * @param {Network} network
 * @param {() => number} random
 */
export function queueing({ rttMs, jitterMs }, random) {
  return Math.max(0, rttMs / 2 - jitterMs) - jitterMs * Math.log(1 - random());
}

/**
 * A one-way delay with a normal distribution.
 *
 * @param {Network} network
 * @param {() => number} random
 */
export function bell({ rttMs, jitterMs }, random) {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.max(0, rttMs / 2 + jitterMs * normal);
}

/** @typedef {{sentAt: number, receivedAt: number, timestamp: number, arrivedAt: number}} Stamps */

/**
 * PINGs a hundred milliseconds apart and their PONGs, in order of arrival. The server's clock is
 * `offsetMs` ahead of the client's, and has whole milliseconds.
 *
 * @param {() => number} oneWayMs
 * @param {number} offsetMs
 * @param {number} [count]
 * @returns {Stamps[]}
 */
export function samples(oneWayMs, offsetMs, count = 10) {
  const all = [];
  for (let number = 0; number < count; number += 1) {
    const sentAt = number * 100;
    const at = sentAt + oneWayMs();
    const stamp = Math.floor(at + offsetMs);
    all.push({ sentAt, receivedAt: stamp, timestamp: stamp, arrivedAt: at + oneWayMs() });
  }
  return all.sort((one, other) => one.arrivedAt - other.arrivedAt);
}

/** @typedef {(samples: Stamps[]) => number} Estimator of the offset */

/** @param {Stamps} stamps */
const rtt = ({ sentAt, receivedAt, timestamp, arrivedAt }) =>
  arrivedAt - sentAt - (timestamp - receivedAt);
/** @param {Stamps} stamps */
const middle = ({ sentAt, receivedAt, timestamp, arrivedAt }) =>
  (receivedAt - sentAt + (timestamp - arrivedAt)) / 2 + 0.5;
/** @type {(values: number[]) => number} */
const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;

/**
 * @param {number[]} values is sorted
 * @param {number} share
 */
export function quantile(values, share) {
  values.sort((one, other) => one - other);
  return /** @type {number} */ (
    values[Math.min(values.length - 1, Math.floor(share * values.length))]
  );
}

/** @type {Record<string, Estimator>} */
export const OTHERS = {
  'median of 5': (all) => quantile(all.slice(0, 5).map(middle), 0.5),
  'mean of 5 below median + 1 sd': (all) => {
    const five = all.slice(0, 5);
    const rtts = five.map(rtt);
    const spread = Math.sqrt(mean(rtts.map((one) => (one - mean(rtts)) ** 2)));
    const limit = quantile([...rtts], 0.5) + spread;
    return mean(five.filter((one) => rtt(one) <= limit).map(middle));
  },
  'min-RTT of 10': (all) => middle(all.reduce((best, one) => (rtt(one) < rtt(best) ? one : best))),
};

/**
 * The estimate of a ServerClock after a burst, once the slew has ended.
 *
 * @param {Stamps[]} all
 * @returns {{offsetMs: number, boundMs: number}}
 */
export function serverClock(all) {
  let now = 0;
  const clock = new ServerClock({ now: () => now, wallClock: () => now });
  for (const { sentAt, receivedAt, timestamp, arrivedAt } of all) {
    now = arrivedAt;
    clock.receivePong({ type: 'PONG', clientTime: sentAt, receivedAt, timestamp });
  }
  const boundMs = clock.errorBoundMs;
  now += 1_000;
  return { offsetMs: clock.now() - now, boundMs };
}
