import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const MAX_BYTES = 8 * 1024;

test('the client, minified and gzipped, has at most 8 KB', async (context) => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../src/index.js', import.meta.url))],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const [bundle] = outputFiles;
  assert.ok(bundle);
  const bytes = gzipSync(bundle.contents, { level: 9 }).length;
  context.diagnostic(`${bytes} bytes, minified and gzipped`);

  assert.ok(bytes <= MAX_BYTES, `${bytes} bytes`);
});
