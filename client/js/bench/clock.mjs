// Prints the tables of "The client's clock" in docs/performance.md: `node client/js/bench/clock.mjs`.

import {
  bell,
  NETWORKS,
  OTHERS,
  quantile,
  queueing,
  samples,
  seeded,
  serverClock,
} from './networks.js';

const TRIALS = 20_000;
const OURS = 'ServerClock, 10 samples';

for (const [name, way] of Object.entries({ queueing, bell })) {
  console.log(`\n${name}, ${TRIALS.toLocaleString('en')} trials, p95 of the error in ms\n`);
  console.log(
    '| RTT / jitter, ms | ' +
      [...Object.keys(OTHERS), OURS].join(' | ') +
      ' | must | aim | errorBoundMs, median | within it |',
  );
  console.log('| --- |' + ' --: |'.repeat(Object.keys(OTHERS).length + 5));
  for (const network of NETWORKS) {
    const random = seeded(network.rttMs);
    /** @type {Record<string, number[]>} */
    const errors = Object.fromEntries([...Object.keys(OTHERS), OURS].map((one) => [one, []]));
    const bounds = [];
    let within = 0;
    for (let trial = 0; trial < TRIALS; trial += 1) {
      const offsetMs = 1e6 * random();
      const all = samples(() => way(network, random), offsetMs);
      for (const [other, estimate] of Object.entries(OTHERS)) {
        errors[other]?.push(Math.abs(estimate(all) - offsetMs));
      }
      const ours = serverClock(all);
      const error = Math.abs(ours.offsetMs - offsetMs);
      errors[OURS]?.push(error);
      bounds.push(ours.boundMs);
      within += Number(error <= ours.boundMs);
    }
    const percentiles = Object.values(errors).map((one) => quantile(one, 0.95).toFixed(2));
    const { rttMs, jitterMs, limitMs, targetMs } = network;
    console.log(
      `| ${rttMs} / ${jitterMs} | ${percentiles.join(' | ')} | ${limitMs} | ${targetMs} | ` +
        `${quantile(bounds, 0.5).toFixed(1)} | ${((100 * within) / TRIALS).toFixed(2)} % |`,
    );
  }
}
