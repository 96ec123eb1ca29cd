import assert from 'node:assert/strict';
import { test } from 'node:test';

import { resolveEndpoints } from '../src/endpoints.js';

test('the API is relative to the page, on any stage', () => {
  const configured = { api: './', websocket: 'wss://sockets.example/prod' };

  assert.deepEqual(resolveEndpoints('https://api.example/prod/#s=1', configured), {
    api: 'https://api.example/prod/',
    websocket: 'wss://sockets.example/prod',
  });
  assert.equal(
    resolveEndpoints('https://api.example/prod', { ...configured, api: 'prod/' }).api,
    'https://api.example/prod/',
  );
});

test('the query of a page on a static host names the API', () => {
  const page = 'https://static.example/web/?api=https://api.example/prod&ws=wss://ws.example/prod';

  assert.deepEqual(resolveEndpoints(page, { api: '', websocket: '' }), {
    api: 'https://api.example/prod/',
    websocket: 'wss://ws.example/prod',
  });
});

test('a phone connects to the host of the page instead of its own loopback', () => {
  const configured = { api: './', websocket: 'ws://127.0.0.1:8001/dev' };

  assert.equal(
    resolveEndpoints('http://192.168.1.5:8000/', configured).websocket,
    'ws://192.168.1.5:8001/dev',
  );
  assert.equal(
    resolveEndpoints('http://127.0.0.1:8000/', configured).websocket,
    'ws://127.0.0.1:8001/dev',
  );
  assert.equal(
    resolveEndpoints('http://192.168.1.5:8000/', { ...configured, websocket: '' }).websocket,
    '',
  );
});
