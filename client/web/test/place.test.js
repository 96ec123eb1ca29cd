import assert from 'node:assert/strict';
import { test } from 'node:test';

import { addressesOf } from '../src/addresses.js';
import { fragmentOf, readPlace } from '../src/place.js';

const SESSION = '0b2a5c1e-8a53-4f8e-9a67-1d2f0c6b7a10';
const ANNE = '00000000-0000-4000-8000-00000000000a';

test('a place is read from the fragment that was written for it', () => {
  for (const place of /** @type {import('../src/place.js').Place[]} */ ([
    { session: SESSION, as: 'host' },
    { session: SESSION, as: 'viewer', token: 'a.b-c_d' },
    { session: SESSION, as: 'participant', participant: ANNE, token: 'a&b=c' },
  ])) {
    assert.deepEqual(readPlace(fragmentOf(place)), place);
  }
});

test('without a fragment it is the form, and a session alone is a viewer’s', () => {
  assert.equal(readPlace(''), 'form');
  assert.equal(readPlace('#'), 'form');
  assert.deepEqual(readPlace(`#s=${SESSION.toUpperCase()}`), { session: SESSION, as: 'viewer' });
});

test('a link that lacks something is broken', () => {
  for (const fragment of [
    '#s=1',
    `#s=${SESSION}&as=king`,
    `#s=${SESSION}&as=participant`,
    '#x=1',
  ]) {
    assert.equal(readPlace(fragment), 'broken');
  }
});

test('addresses are relative to the page, whatever stage it is on', () => {
  const told = { api: './', websocket: 'wss://sockets.example/prod' };

  assert.deepEqual(addressesOf('https://api.example/prod/#s=1', told), {
    api: 'https://api.example/prod/',
    websocket: 'wss://sockets.example/prod',
  });
  assert.equal(
    addressesOf('https://api.example/prod', { ...told, api: 'prod/' }).api,
    'https://api.example/prod/',
  );
});

test('a page of a static host says where the API is in its own address', () => {
  const page = 'https://static.example/web/?api=https://api.example/prod&ws=wss://ws.example/prod';

  assert.deepEqual(addressesOf(page, { api: '', websocket: '' }), {
    api: 'https://api.example/prod/',
    websocket: 'wss://ws.example/prod',
  });
});

test('a phone finds the sockets of a laptop where it has found the page', () => {
  const told = { api: './', websocket: 'ws://127.0.0.1:8001/dev' };

  assert.equal(
    addressesOf('http://192.168.1.5:8000/', told).websocket,
    'ws://192.168.1.5:8001/dev',
  );
  assert.equal(addressesOf('http://127.0.0.1:8000/', told).websocket, 'ws://127.0.0.1:8001/dev');
  assert.equal(addressesOf('http://192.168.1.5:8000/', { ...told, websocket: '' }).websocket, '');
});
