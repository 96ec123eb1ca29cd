import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatRoute, parseRoute } from '../src/route.js';

const SESSION = '0b2a5c1e-8a53-4f8e-9a67-1d2f0c6b7a10';
const ANNE = '00000000-0000-4000-8000-00000000000a';

test('a route is parsed from its fragment', () => {
  for (const route of /** @type {import('../src/route.js').Route[]} */ ([
    { session: SESSION, as: 'host' },
    { session: SESSION, as: 'viewer', token: 'a.b-c_d' },
    { session: SESSION, as: 'participant', participant: ANNE, token: 'a&b=c' },
  ])) {
    assert.deepEqual(parseRoute(formatRoute(route)), route);
  }
});

test('an empty fragment is the form, and a session without a role is the viewer', () => {
  assert.equal(parseRoute(''), 'create');
  assert.equal(parseRoute('#'), 'create');
  assert.deepEqual(parseRoute(`#s=${SESSION.toUpperCase()}`), { session: SESSION, as: 'viewer' });
});

test('an incomplete link is invalid', () => {
  for (const fragment of [
    '#s=1',
    `#s=${SESSION}&as=king`,
    `#s=${SESSION}&as=participant`,
    '#x=1',
  ]) {
    assert.equal(parseRoute(fragment), 'invalid');
  }
});
