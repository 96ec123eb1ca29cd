import assert from 'node:assert/strict';
import { test } from 'node:test';

import { onPress } from '../src/index.js';

/** The parts of a button that `onPress` uses; events have the times that the test gives them. */
class FakeButton extends EventTarget {
  ariaBusy = 'false';
  isDisabled = false;

  matches() {
    return this.isDisabled || this.ariaBusy === 'true';
  }

  /**
   * @param {string} type
   * @param {number} timeStamp
   * @param {object} [fields]
   */
  fire(type, timeStamp, fields) {
    const event = new Event(type, { cancelable: true });
    for (const [name, value] of Object.entries({ detail: 0, ...fields, timeStamp })) {
      Object.defineProperty(event, name, { value });
    }
    this.dispatchEvent(event);
    return event;
  }
}

/** @param {Parameters<typeof onPress>[2]} [options] */
function pressed(options) {
  const button = new FakeButton();
  /** @type {(() => void)[]} */
  const answers = [];
  const press = onPress(
    /** @type {any} */ (button),
    () => new Promise((resolve) => answers.push(() => resolve(undefined))),
    options,
  );
  const answer = async () => {
    answers.at(-1)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { button, answers, answer, press };
}

test('a press runs the action once, and the button is busy until it has ended', async () => {
  const { button, answers, answer } = pressed();
  button.fire('click', 0, { detail: 1 });
  assert.equal(button.ariaBusy, 'true');
  button.fire('click', 5_000, { detail: 1 });
  assert.equal(answers.length, 1);
  await answer();
  assert.equal(button.ariaBusy, 'false');
  button.fire('click', 10_000, { detail: 1 });
  assert.equal(answers.length, 2);
});

test('the button is no longer busy after an action that failed', async () => {
  const button = new FakeButton();
  const fail = () => Promise.reject(new Error('refused'));
  const press = onPress(/** @type {any} */ (button), fail);

  await assert.rejects(press(/** @type {any} */ ({ timeStamp: 0, detail: 0 })), /refused/);
  assert.equal(button.ariaBusy, 'false');
});

test('a held key does nothing more, and Tab still moves the focus', async () => {
  const { button, answers, answer, press } = pressed();
  for (const code of ['Enter', 'NumpadEnter', 'Space']) {
    assert.ok(button.fire('keydown', 0, { code, repeat: true }).defaultPrevented);
    assert.ok(!button.fire('keydown', 0, { code, repeat: false }).defaultPrevented);
  }
  assert.ok(!button.fire('keydown', 0, { code: 'Tab', repeat: true }).defaultPrevented);

  const key = (/** @type {number} */ timeStamp, /** @type {boolean} */ repeat) =>
    press(/** @type {any} */ ({ timeStamp, repeat, detail: 0 }));
  key(0, false);
  await answer();
  for (let atMs = 500; atMs < 2_000; atMs += 30) key(atMs, true);
  assert.equal(answers.length, 1);
});

test('however often and fast a button is pressed, each gesture counts once', async () => {
  const { button, answers, answer } = pressed();
  // A double click, a triple click, a bounce, and a click for itself.
  for (const clicks of [[0, 400], [2_000, 2_150, 2_300], [4_000, 4_020], [6_000]]) {
    const before = answers.length;
    for (const [index, timeStamp] of clicks.entries()) {
      button.fire('click', timeStamp, { detail: index + 1 });
      await answer();
    }
    assert.equal(answers.length, before + 1);
  }
});

test('clicks in succession count where they are meant, unless they bounce', async () => {
  const { button, answers, answer } = pressed({ inSuccession: true });
  for (const [index, timeStamp] of [0, 400, 420, 800].entries()) {
    button.fire('click', timeStamp, { detail: index + 1 });
    await answer();
  }
  assert.equal(answers.length, 3);
});

test('a disabled button ignores its shortcut, too', () => {
  const { button, answers, press } = pressed();
  button.isDisabled = true;
  press(/** @type {any} */ ({ timeStamp: 0, detail: 0 }));
  assert.equal(answers.length, 0);
});
