import assert from 'node:assert/strict';
import { test } from 'node:test';

import { seeded } from '../bench/networks.js';
import { FailureDetector } from '../src/failure-detector.js';

test('doubt begins when an answer is overdue by twice the usual round trip', () => {
  const detector = new FailureDetector();
  detector.sent(0);
  assert.equal(detector.doubtAtMs, 1_500);
  detector.answered(0, 1_000);
  assert.equal(detector.doubtAtMs, Infinity);

  // Twice a second.
  detector.sent(10_000);
  assert.equal(detector.doubtAtMs, 12_000);
  assert.equal(detector.lostAtMs, 17_000);
});

test('an answer confirms what was sent before it, and nothing that was sent later', () => {
  const detector = new FailureDetector();
  for (const atMs of [0, 100, 200]) detector.sent(atMs);
  detector.answered(100, 150);

  assert.equal(detector.confirmedAtMs, 100);
  assert.equal(detector.doubtAtMs, 1_700);
  detector.answered(0, 400);
  assert.equal(detector.confirmedAtMs, 100);
  detector.answered(200, 400);
  assert.equal(detector.doubtAtMs, Infinity);
});

test('a suspicion ends only with an answer to a later message', () => {
  const detector = new FailureDetector();
  detector.sent(0);
  detector.suspect(50);
  detector.answered(0, 60);
  assert.equal(detector.doubtAtMs, 50);
  detector.sent(50);
  detector.answered(50, 70);
  assert.equal(detector.doubtAtMs, Infinity);
});

test('on any network whose round trips vary by less than half there is no doubt', () => {
  for (let trial = 1; trial <= 200; trial += 1) {
    const random = seeded(trial);
    const detector = new FailureDetector();
    const usualMs = 1 + random() * 1_000;
    for (let atMs = 0, count = 0; count < 50; count += 1) {
      const roundTripMs = usualMs * (0.75 + random() / 2);
      detector.sent(atMs);
      assert.ok(atMs + roundTripMs < detector.doubtAtMs, `trial ${trial}`);
      detector.answered(atMs, atMs + roundTripMs);
      atMs += roundTripMs + random() * 30_000;
    }
  }
});

test('a late answer delays the doubt by no more than the limit for answers', () => {
  const detector = new FailureDetector();
  for (let number = 0; number < 20; number += 1) detector.answered(0, 40);
  detector.answered(0, 60_000);
  detector.sent(0);
  assert.equal(detector.doubtAtMs, 1_500);

  for (let trial = 1; trial <= 200; trial += 1) {
    const random = seeded(trial);
    const any = new FailureDetector();
    for (let count = 0; count < 20; count += 1) {
      any.answered(0, 10 ** (7 * random()));
      any.sent(1);
      assert.ok(any.doubtAtMs >= 1_501 && any.doubtAtMs <= 10_001, `trial ${trial}`);
      any.answered(1);
    }
  }
});
