import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { test } from 'node:test';

const PAGE = new URL('../', import.meta.url);

/** @param {string} html */
const links = (html) =>
  [...html.matchAll(/(?:href|src)="((?:\.\.\/js\/)?src\/[^"]+)"/g)].map(([, path]) => `${path}`);

/**
 * A module and all of its static imports.
 *
 * @param {URL} module
 * @param {Set<string>} [found]
 */
async function imported(module, found = new Set()) {
  if (found.has(module.href)) return found;
  found.add(module.href);
  const source = await readFile(module, 'utf8');
  for (const [, path] of source.matchAll(/^(?:import|export) [^;]*?from '(.+?)';/gm)) {
    await imported(new URL(`${path}`, module), found);
  }
  return found;
}

test('index.html preloads every module that is needed before the first digit', async () => {
  const html = await readFile(new URL('index.html', PAGE), 'utf8');
  const preloaded = links(html).filter((path) => path.endsWith('.js'));

  assert.deepEqual(
    new Set(preloaded.map((path) => new URL(path, PAGE).href)),
    await imported(new URL('src/main.js', PAGE)),
  );
});

test('every module is loaded by some screen', async () => {
  const lazy = ['create-form', 'host-view', 'viewer-view', 'participant-view'];
  const loaded = await imported(new URL('src/main.js', PAGE));
  for (const name of lazy) await imported(new URL(`src/${name}.js`, PAGE), loaded);
  const all = (await readdir(new URL('src/', PAGE))).filter((name) => name.endsWith('.js'));

  assert.deepEqual(
    all.filter((name) => !loaded.has(new URL(`src/${name}`, PAGE).href)),
    [],
  );
});
