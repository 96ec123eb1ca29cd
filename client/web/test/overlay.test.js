import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseOverlay } from '../src/overlay.js';

const isColor = (/** @type {string} */ text) => /^(#[\da-f]+|white|rgb\(.*\))$/i.test(text);

/** @param {string} search */
const overlay = (search) => parseOverlay(search, isColor);

test('a screen is an overlay only with `clean`', () => {
  assert.equal(overlay(''), null);
  assert.equal(overlay('?color=fff'), null);
  assert.deepEqual(overlay('?clean'), { clock: null, style: {} });
});

test('colours are hexadecimal digits or what CSS knows', () => {
  assert.deepEqual(overlay('?clean&color=white&low=fc0&out=ff4040&background=00000080')?.style, {
    '--overlay-color': 'white',
    '--overlay-low': '#fc0',
    '--overlay-out': '#ff4040',
    '--overlay-background': '#00000080',
  });
  assert.deepEqual(overlay('?clean&color=url(x)&low=&out=12345')?.style, {});
});

test('a size without a unit is in pixels', () => {
  assert.deepEqual(overlay('?clean&size=120')?.style, { '--overlay-size': '120px' });
  assert.deepEqual(overlay('?clean&size=12.5vmin')?.style, { '--overlay-size': '12.5vmin' });
  for (const size of ['large', '-1', '10%', '1px;x']) {
    assert.deepEqual(overlay(`?clean&size=${encodeURIComponent(size)}`)?.style, {});
  }
});

test('one clock can be chosen by its number', () => {
  assert.equal(overlay('?clean&clock=2')?.clock, 2);
  for (const clock of ['0', '-1', '1.5', 'a', '']) {
    assert.equal(overlay(`?clean&clock=${clock}`)?.clock, null);
  }
});
